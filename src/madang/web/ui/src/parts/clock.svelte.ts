// One clock for all that tells how long ago something was.
const state = $state({ now: Date.now() })
setInterval(() => document.hidden || (state.now = Date.now()), 10_000)

/** The time now, a few seconds exact. [ms since 1970] */
export function now(): number {
  return state.now
}
