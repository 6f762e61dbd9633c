// A question that takes its time: how long so far, called off or answered.
import { Problem } from '../api/client'

const TICK_MS = 250

export class Running<T> {
  value: T | undefined = $state.raw()
  problem: Problem | undefined = $state.raw()
  isBusy = $state(false)
  seconds = $state(0)
  #abort: AbortController | undefined

  async run(ask: (signal: AbortSignal) => Promise<T>): Promise<void> {
    this.#abort?.abort()
    const abort = (this.#abort = new AbortController())
    const begun = performance.now()
    const tick = (): void => {
      this.seconds = (performance.now() - begun) / 1000
    }
    this.isBusy = true
    this.problem = undefined
    tick()
    const timer = setInterval(tick, TICK_MS)
    try {
      const value = await ask(abort.signal)
      if (!abort.signal.aborted) this.value = value
    } catch (error) {
      if (!abort.signal.aborted) this.problem = error instanceof Problem ? error : new Problem(-1, 'error', String(error))
    } finally {
      clearInterval(timer)
      if (this.#abort === abort) {
        tick()
        this.isBusy = false
      }
    }
  }

  /** Call it off and forget what was answered before. */
  clear(): void {
    this.cancel()
    this.value = this.problem = undefined
  }

  /** Call it off; what was answered before stays. */
  cancel(): void {
    this.#abort?.abort()
    this.isBusy = false
  }
}
