// Something read from the hub: waiting, there, or why not; read again from time to time if wanted.
import { Problem } from './client'

export class Resource<T> {
  value: T | undefined = $state.raw()
  problem: Problem | undefined = $state.raw()
  busy = $state(true)
  #ask: (signal: AbortSignal) => Promise<T>
  #abort: AbortController | undefined

  constructor(ask: (signal: AbortSignal) => Promise<T>) {
    this.#ask = ask
  }

  /** Read it (again); what is there stays until the answer has come. */
  again = async (): Promise<void> => {
    this.#abort?.abort()
    const abort = (this.#abort = new AbortController())
    this.busy = true
    try {
      const value = await this.#ask(abort.signal)
      if (abort.signal.aborted) return
      this.value = value
      this.problem = undefined
    } catch (error) {
      if (abort.signal.aborted) return
      this.problem = error instanceof Problem ? error : new Problem(-1, 'error', String(error))
    } finally {
      if (!abort.signal.aborted) this.busy = false
    }
  }

  stop(): void {
    this.#abort?.abort()
  }
}

/**
 * Read something for as long as the component lives, anew whenever the state that `ask` reads
 * before its first `await` changes, and every so many milliseconds while the page is seen.
 *
 *     const incidents = resource((signal) => get<Incident[]>('/incidents', { status }, signal), 5000)
 */
export function resource<T>(ask: (signal: AbortSignal) => Promise<T>, every_ms = 0): Resource<T> {
  const found = new Resource(ask)
  $effect(() => {
    void found.again()
    const timer = every_ms ? setInterval(() => document.hidden || void found.again(), every_ms) : 0
    return () => {
      clearInterval(timer)
      found.stop()
    }
  })
  return found
}
