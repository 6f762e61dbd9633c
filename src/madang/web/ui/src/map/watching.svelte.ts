// What the live map knows: kinds, what moves in view or moved in the past, and how the stream is.
import { openLive, type Frame, type LiveState, type LiveStream } from '../live/stream'
import { Problem } from '../api/client'
import { whyOf } from '../parts/trouble'
import type { Layer, Past } from './address'
import { filmOf, kindsOfCity } from './asked'
import { pictureAt, show, type FilmAnswer } from './film'
import type { Kind, Kinds } from './kinds'
import type { Bounds } from './marks'
import { Things } from './things'

const MOST_IN_FILM = 2000 // things; of a larger kind only those in view are asked for
const TOLD_MS = 500 // between two updates of tables and counts

export class Watching {
  kinds: Kinds | undefined = $state.raw()
  problem: Problem | undefined = $state.raw()
  stream: LiveState = $state('connecting')
  /** From a change to here. [ms] */
  delay = $state(0)
  /** Counts up when things have changed, for what is not drawn at every frame. */
  tick = $state(0)
  /** Why a layer shows nothing, by its type; `''` is the stream itself. */
  problems: Record<string, string> = $state.raw({})
  /** Films of the past by type, as far as they have come. */
  films: Record<string, FilmAnswer> = $state.raw({})
  busy = $state(0)
  /** Things of a type have changed; by a frame of the stream, if it was that. */
  onchange: (type: string, things: Things, frame?: Frame) => void = () => {}

  readonly #things = new Map<string, Things>()
  #live: LiveStream | undefined
  #abort: AbortController | undefined
  #asked = ''
  #timer = 0

  async begin(): Promise<void> {
    try {
      this.kinds = await kindsOfCity()
      this.problem = undefined
    } catch (error) {
      this.problem = error instanceof Problem ? error : new Problem(-1, 'error', String(error))
    }
  }

  kind(type: string): Kind | undefined {
    return this.kinds?.types.find((one) => one.type === type)
  }

  things(type: string): Things {
    let found = this.#things.get(type)
    if (!found) this.#things.set(type, (found = new Things()))
    return found
  }

  /** Look at layers as they are now, in view only. */
  look(bounds: Bounds, zoom: number, layers: Layer[]): void {
    if (!this.#live) this.#open()
    const asked = layers.map(({ type, value, q }) => ({ name: type, type, ...(q ? { q } : {}), ...(value ? { value } : {}) }))
    const names = new Set(layers.map((layer) => layer.type))
    if (Object.keys(this.problems).some((type) => type && !names.has(type))) {
      this.problems = Object.fromEntries(Object.entries(this.problems).filter(([type]) => names.has(type)))
    }
    this.#live?.look(bounds, zoom, asked)
  }

  /** Look at the past; the stream rests meanwhile. */
  async rewind(past: Past, layers: Layer[], bounds: Bounds): Promise<void> {
    const key = JSON.stringify([past, layers])
    if (key === this.#asked) return
    this.rest()
    this.#asked = key
    this.#abort?.abort()
    const abort = (this.#abort = new AbortController())
    this.films = {}
    this.problems = {}
    const span = { start: new Date(past.start).toISOString(), end: new Date(past.end).toISOString(), step: past.step }
    this.busy = layers.length
    await Promise.all(
      layers.map(async ({ type, q, value }) => {
        try {
          const isMany = (this.kind(type)?.count ?? 0) > MOST_IN_FILM
          const asked = { type, q, value, bounds: isMany ? bounds : undefined, ...span }
          const film = await filmOf(asked, abort.signal)
          if (!abort.signal.aborted) this.films = { ...this.films, [type]: film }
        } catch (error) {
          if (!abort.signal.aborted) this.#fail(type, error)
        } finally {
          if (!abort.signal.aborted) this.busy -= 1
        }
      }),
    )
  }

  /** Show the films at an instant. [ms since 1970] */
  picture(instant: number): void {
    for (const [type, film] of Object.entries(this.films)) {
      const things = this.things(type)
      show(film, pictureAt(film, instant), things)
      this.onchange(type, things)
    }
    this.tick += 1
  }

  /** Leave the past. */
  now(): void {
    this.#abort?.abort()
    this.#asked = ''
    this.films = {}
    this.busy = 0
  }

  /** Let the stream go, and forget what it told. */
  rest(): void {
    this.#live?.close()
    this.#live = undefined
    clearTimeout(this.#timer)
    this.#timer = 0
    for (const [type, things] of this.#things) {
      things.clear()
      this.onchange(type, things)
    }
    this.tick += 1
  }

  close(): void {
    this.now()
    this.onchange = () => {}
    this.rest()
  }

  #open(): void {
    this.#live = openLive((state, delay) => {
      this.stream = state
      if (delay !== undefined) this.delay = delay
    })
    this.#live.onproblem = (layer, problem) => (this.problems = { ...this.problems, [layer]: whyOf(problem) })
    this.#live.onframe = (frame) => {
      const things = this.things(frame.layer)
      things.take(frame)
      if (this.problems[frame.layer]) this.problems = { ...this.problems, [frame.layer]: '' }
      this.onchange(frame.layer, things, frame)
      if (!this.#timer) this.#timer = window.setTimeout(() => this.#tell(), TOLD_MS)
    }
  }

  #tell(): void {
    this.#timer = 0
    this.tick += 1
  }

  #fail(type: string, error: unknown): void {
    this.problems = { ...this.problems, [type]: whyOf(error) }
  }
}
