// Where moving points are drawn between two updates, in columns that go to the graphics card as they
// are. Pure: no map, no page; the time is given. [ms]
import type { Frame } from './held.ts'

/** Numbers of a point: where from, where to (offset from the anchor), since when, how long, colour. */
export const COLUMNS = 7
export const COLOUR = 6 // its four bytes are red, green, blue and opacity

const SHORTEST_MS = 100
const LONGEST_MS = 1500
const JUMP = 5e-5 // of the world: what goes 2 km at once did not drive there
const REBASE_MS = 600_000 // single-precision numbers count milliseconds well for some hours
const FAR = 0.02 // of the world: so far from its anchor, a point would be drawn a decimetre off

export type ColourOf = (value: number, word: string) => readonly [red: number, green: number, blue: number]

/** Web Mercator (EPSG:3857) with the world as the unit square. */
export function mercator(lon: number, lat: number): [x: number, y: number] {
  const angle = (Math.PI / 180) * Math.min(85.0511, Math.max(-85.0511, lat))
  return [(lon + 180) / 360, 0.5 - Math.log(Math.tan(Math.PI / 4 + angle / 2)) / (2 * Math.PI)]
}

export class Motion {
  numbers = new Float32Array(1024 * COLUMNS)
  #bytes = new Uint8Array(this.numbers.buffer)
  ids: string[] = []
  /** What the positions are counted from, in the unit square. */
  anchor: [number, number] = [NaN, NaN]
  /** What the times are counted from. [ms] */
  origin = 0
  /** The first and last place that changed since it was asked. */
  #dirty: [number, number] = [Infinity, -1]
  /** When the last movement ends. [ms] */
  until = 0
  #places = new Map<string, number>()
  /** Where to, exactly: two numbers a point. */
  #exact: number[] = []
  #values: number[] = []
  #words: string[] = []
  #colourOf: ColourOf
  isSmooth: boolean

  constructor(colourOf: ColourOf, isSmooth: boolean) {
    this.#colourOf = colourOf
    this.isSmooth = isSmooth
  }

  get size(): number {
    return this.ids.length
  }

  take(frame: Frame, now: number): void {
    if (frame.isWhole) this.#keep(new Set(frame.ids))
    if (now - this.origin > REBASE_MS) this.#rebase(now)
    for (let i = 0; i < frame.ids.length; i++) {
      this.#put(frame.ids[i] ?? '', frame.lonlat[2 * i] ?? 0, frame.lonlat[2 * i + 1] ?? 0, frame.value[i] ?? NaN, frame.text?.[i] ?? '', now)
    }
    for (const id of frame.gone) this.#drop(id)
  }

  recolour(colourOf: ColourOf): void {
    this.#colourOf = colourOf
    for (let place = 0; place < this.size; place++) this.#paint(place)
    this.#touch(0, this.size - 1)
  }

  /** Where a point is drawn, in the unit square; undefined if there is none of that id. */
  where(id: string, now: number): [number, number] | undefined {
    const place = this.#places.get(id)
    return place === undefined ? undefined : this.#at(place, now)
  }

  /** The nearest point within a distance, both in the unit square. */
  nearest(x: number, y: number, within: number, now: number): string | undefined {
    let found: string | undefined
    let least = within * within
    for (let place = 0; place < this.size; place++) {
      const [px, py] = this.#at(place, now)
      const distance = (px - x) ** 2 + (py - y) ** 2
      if (distance <= least) [least, found] = [distance, this.ids[place]]
    }
    return found
  }

  /** The places that changed since it was last asked; undefined if none did. */
  changed(): [first: number, last: number] | undefined {
    const [first, last] = this.#dirty
    this.#dirty = [Infinity, -1]
    return last < 0 ? undefined : [first, Math.min(last, this.size - 1)]
  }

  /** Count positions from near here, so that they are drawn exactly. */
  near(x: number, y: number): void {
    if (Math.hypot(this.anchor[0] - x, this.anchor[1] - y) <= FAR) return
    for (let place = 0; place < this.size; place++) {
      const at = place * COLUMNS
      const [fromX = 0, fromY = 0, oldX = 0, oldY = 0] = this.numbers.subarray(at, at + 4)
      const [toX, toY] = [(this.#exact[2 * place] ?? 0) - x, (this.#exact[2 * place + 1] ?? 0) - y]
      this.numbers.set([toX + fromX - oldX, toY + fromY - oldY, toX, toY], at)
    }
    this.anchor = [x, y]
    this.#touch(0, this.size - 1)
  }

  #put(id: string, lon: number, lat: number, value: number, word: string, now: number): void {
    const exact = mercator(lon, lat)
    if (!Number.isFinite(this.anchor[0])) this.anchor = exact
    const [x, y] = [exact[0] - this.anchor[0], exact[1] - this.anchor[1]]
    let place = this.#places.get(id)
    const numbers = this.#room()
    if (place === undefined) {
      place = this.size
      this.#places.set(id, place)
      this.ids.push(id)
      numbers.set([x, y, x, y, now - this.origin, 0], place * COLUMNS)
    } else this.#move(place, x, y, now)
    this.#exact[2 * place] = exact[0]
    this.#exact[2 * place + 1] = exact[1]
    this.#values[place] = value
    this.#words[place] = word
    this.#paint(place)
    this.#touch(place, place)
  }

  #move(place: number, x: number, y: number, now: number): void {
    const at = place * COLUMNS
    const numbers = this.numbers
    const [fromX, fromY] = this.#offset(place, now)
    const since = now - this.origin - (numbers[at + 4] ?? 0)
    const jumps = !this.isSmooth || Math.abs(fromX - x) + Math.abs(fromY - y) > JUMP
    // It arrives when its next update is due, if they keep coming as they did.
    const duration = Math.min(LONGEST_MS, Math.max(SHORTEST_MS, since))
    numbers[at] = jumps ? x : fromX
    numbers[at + 1] = jumps ? y : fromY
    numbers[at + 2] = x
    numbers[at + 3] = y
    numbers[at + 4] = now - this.origin
    numbers[at + 5] = jumps ? 0 : duration
    if (!jumps) this.until = Math.max(this.until, now + duration)
  }

  #drop(id: string): void {
    const place = this.#places.get(id)
    if (place === undefined) return
    const last = this.size - 1
    const moved = this.ids[last] ?? id
    this.numbers.copyWithin(place * COLUMNS, last * COLUMNS, (last + 1) * COLUMNS)
    this.ids[place] = moved
    this.#exact[2 * place] = this.#exact[2 * last] ?? 0
    this.#exact[2 * place + 1] = this.#exact[2 * last + 1] ?? 0
    this.#values[place] = this.#values[last] ?? NaN
    this.#words[place] = this.#words[last] ?? ''
    this.#places.set(moved, place)
    this.#places.delete(id)
    this.ids.length = this.#values.length = this.#words.length = last
    this.#exact.length = 2 * last
    this.#touch(place, place)
  }

  #keep(ids: Set<string>): void {
    for (const id of [...this.ids]) if (!ids.has(id)) this.#drop(id)
  }

  #at(place: number, now: number): [number, number] {
    const [x, y] = this.#offset(place, now)
    return [x + this.anchor[0], y + this.anchor[1]]
  }

  #offset(place: number, now: number): [number, number] {
    const at = place * COLUMNS
    const [x0 = 0, y0 = 0, x1 = 0, y1 = 0, since = 0, duration = 0] = this.numbers.subarray(at, at + COLUMNS)
    const share = duration > 0 ? Math.min(1, Math.max(0, (now - this.origin - since) / duration)) : 1
    return [x0 + (x1 - x0) * share, y0 + (y1 - y0) * share]
  }

  #paint(place: number): void {
    const [red, green, blue] = this.#colourOf(this.#values[place] ?? NaN, this.#words[place] ?? '')
    this.#bytes.set([red, green, blue, 255], (place * COLUMNS + COLOUR) * 4)
  }

  #touch(first: number, last: number): void {
    if (last >= first) this.#dirty = [Math.min(this.#dirty[0], first), Math.max(this.#dirty[1], last)]
  }

  #room(): Float32Array {
    if ((this.size + 1) * COLUMNS > this.numbers.length) {
      const larger = new Float32Array(this.numbers.length * 2)
      // Byte by byte: a colour read as a number may not be one, and would not stay what it is.
      this.#bytes = new Uint8Array(larger.buffer)
      this.#bytes.set(new Uint8Array(this.numbers.buffer))
      this.numbers = larger
    }
    return this.numbers
  }

  #rebase(now: number): void {
    const later = now - this.origin
    for (let at = 4; at < this.size * COLUMNS; at += COLUMNS) this.numbers[at] = (this.numbers[at] ?? 0) - later
    this.origin = now
    this.#touch(0, this.size - 1)
  }
}
