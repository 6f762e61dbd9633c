// The week of a rota, by the clock of the reader. Pure.

export interface Turn {
  from: string
  who: string
}

export interface Part {
  who: string
  /** From 0 to 1 of the day. */
  from: number
  to: number
  /** [ms since 1970] */
  start: number
  end: number
}

export interface Day {
  /** Its beginning. [ms since 1970] */
  at: number
  parts: Part[]
}

export const DAYS = 7

/** Midnight of the day of an instant. [ms since 1970] */
export function midnight(at_ms: number, days = 0): number {
  const day = new Date(at_ms)
  return new Date(day.getFullYear(), day.getMonth(), day.getDate() + days).getTime()
}

/** Who is on call in each part of the days from a midnight on; turns are in the order of time. */
export function weekOf(turns: Turn[], start_ms: number): Day[] {
  const spans = turns.map((turn, index) => ({
    who: turn.who,
    start: Date.parse(turn.from),
    end: index + 1 < turns.length ? Date.parse(turns[index + 1]!.from) : Infinity,
  }))
  return Array.from({ length: DAYS }, (_, number) => {
    const at = midnight(start_ms, number)
    const next = midnight(start_ms, number + 1)
    const parts = spans
      .filter((one) => one.start < next && one.end > at)
      .map((one) => {
        const [start, end] = [Math.max(one.start, at), Math.min(one.end, next)]
        return { who: one.who, start, end, from: (start - at) / (next - at), to: (end - at) / (next - at) }
      })
    return { at, parts }
  })
}

/** Turns of one answer after another, each once. */
export function joined(one: Turn[], other: Turn[]): Turn[] {
  const last = one.at(-1)
  if (!last) return other
  const later = other.filter((turn) => Date.parse(turn.from) > Date.parse(last.from))
  return [...one, ...(later[0]?.who === last.who ? later.slice(1) : later)]
}
