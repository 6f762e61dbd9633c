// The bytes of the live stream, as docs/reference/live.md describes them. Pure: no page, no socket.

const VERSION = 1
const ANEW = 1
const WHOLE = 1
const VALUES = 2
const WORDS = 4
const DEGREES = 1e-7

/** Which cells of the grid a viewer is sent, edges included; `x0 > x1` goes over the antimeridian. */
export interface Area {
  x0: number
  y0: number
  x1: number
  y1: number
}

/** What is new in one cell of one layer. */
export interface Section {
  /** Number of the cell: `x * 65536 + y`. */
  cell: number
  /** Everything in the cell: what is not in it has gone. */
  isWhole: boolean
  /** When the hub took the newest change in it. [ms since 1970] */
  at: number
  numbers: Uint32Array
  /** Longitude and latitude of each. [deg] */
  lonlat: Float64Array
  value: Float32Array
  words: string[] | undefined
  /** Ids of the first so many of the points, which come into the cell. */
  ids: string[]
  /** Numbers of what has left the cell. */
  gone: Uint32Array
}

export interface Block {
  /** Place of the layer in the list that was asked for. */
  layer: number
  /** The layer begins anew: forget what it had. */
  isAnew: boolean
  sections: Section[]
}

export interface Message {
  /** Which look of this connection it answers, counted from 1. */
  look: number
  /** When it was made, by the hub's clock. [ms since 1970] */
  sent: number
  area: Area
  blocks: Block[]
}

/** Return what a binary message says; throws RangeError if it ends too early. */
export function decode(buffer: ArrayBuffer): Message {
  const reader = new Reader(buffer)
  const version = reader.u8()
  if (version !== VERSION) throw new RangeError(`version ${version} of the live stream is not known`)
  const count = reader.u8()
  reader.skip(2)
  const look = reader.u32()
  const sent = reader.f64()
  const area = { x0: reader.u16(), y0: reader.u16(), x1: reader.u16(), y1: reader.u16() }
  const blocks: Block[] = []
  for (let i = 0; i < count; i++) blocks.push(block(reader))
  return { look, sent, area, blocks }
}

/** Tell whether a cell is among those a viewer is sent. */
export function within(area: Area, cell: number): boolean {
  const x = cell >>> 16
  const y = cell & 0xffff
  if (y < area.y0 || y > area.y1) return false
  return area.x0 <= area.x1 ? x >= area.x0 && x <= area.x1 : x >= area.x0 || x <= area.x1
}

function block(reader: Reader): Block {
  const layer = reader.u8()
  const isAnew = (reader.u8() & ANEW) !== 0
  reader.skip(2)
  const end = reader.u32() + reader.at
  const sections: Section[] = []
  while (reader.at < end) sections.push(section(reader))
  return { layer, isAnew, sections }
}

function section(reader: Reader): Section {
  const cell = reader.u16() * 65536 + reader.u16()
  const flags = reader.u8()
  reader.skip(3)
  const points = reader.u32()
  const entered = reader.u32()
  const left = reader.u32()
  const at = reader.f64()
  const numbers = reader.u32s(points)
  const lonlat = new Float64Array(points * 2)
  for (let i = 0; i < points; i++) lonlat[2 * i] = reader.i32() * DEGREES
  for (let i = 0; i < points; i++) lonlat[2 * i + 1] = reader.i32() * DEGREES
  const value = new Float32Array(points).fill(NaN)
  if (flags & VALUES) for (let i = 0; i < points; i++) value[i] = reader.f32()
  const words = flags & WORDS ? wordsOf(reader, points) : undefined
  const ids = reader.texts(entered)
  return { cell, isWhole: (flags & WHOLE) !== 0, at, numbers, lonlat, value, words, ids, gone: reader.u32s(left) }
}

function wordsOf(reader: Reader, points: number): string[] {
  const known = ['', ...reader.texts(reader.u16())]
  return Array.from({ length: points }, () => known[reader.u16()] ?? '')
}

const UTF8 = new TextDecoder()

/** Reads little-endian numbers wherever they lie; typed arrays would want them aligned. */
class Reader {
  at = 0
  #view: DataView
  #buffer: ArrayBuffer

  constructor(buffer: ArrayBuffer) {
    this.#buffer = buffer
    this.#view = new DataView(buffer)
  }

  u8(): number {
    return this.#view.getUint8(this.#step(1))
  }

  u16(): number {
    return this.#view.getUint16(this.#step(2), true)
  }

  u32(): number {
    return this.#view.getUint32(this.#step(4), true)
  }

  i32(): number {
    return this.#view.getInt32(this.#step(4), true)
  }

  f32(): number {
    return this.#view.getFloat32(this.#step(4), true)
  }

  f64(): number {
    return this.#view.getFloat64(this.#step(8), true)
  }

  skip(bytes: number): void {
    this.#step(bytes)
  }

  u32s(count: number): Uint32Array {
    const found = new Uint32Array(count)
    for (let i = 0; i < count; i++) found[i] = this.u32()
    return found
  }

  /** Texts: first all their lengths in bytes, then their UTF-8 one after another. */
  texts(count: number): string[] {
    const lengths = Array.from({ length: count }, () => this.u16())
    return lengths.map((length) => UTF8.decode(new Uint8Array(this.#buffer, this.#step(length), length)))
  }

  #step(bytes: number): number {
    const at = this.at
    this.at += bytes
    return at
  }
}
