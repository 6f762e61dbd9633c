// What a viewer has of the layers it looks at: messages of the stream go in, frames for a map come out.
import { within, type Area, type Block, type Message, type Section } from './decode.ts'

/** Something to look at: entities of one type, those that a query finds, coloured by an attribute. */
export interface LiveLayer {
  name: string
  /** Entity type, such as `Vehicle`. */
  type: string
  /** NGSI-LD query language. */
  q?: string
  /** Attribute whose number (or word) comes with each point. */
  value?: string
}

/** What has changed in one layer. */
export interface Frame {
  /** Name of the layer. */
  layer: string
  /** The layer begins anew with this frame: what is not in it has gone. */
  isWhole: boolean
  ids: string[]
  /** Longitude and latitude of each, one after the other. [deg] */
  lonlat: Float64Array
  /** NaN where there is no number. */
  value: Float32Array
  /** Where the attribute holds words (`free`, `occupied`): the word of each, or ''. */
  text?: string[]
  /** When the hub took the newest change in it. [ms since 1970, hub's clock] */
  at: number
  /** Ids of what has left the view or the query, or was deleted. */
  gone: string[]
}

interface Point {
  id: string
  cell: number
}

interface Layer {
  asked: LiveLayer
  points: Map<number, Point>
  cells: Map<number, Set<number>>
  /** Nothing has come yet since it is looked at. */
  isNew: boolean
}

/** Tell whether a layer goes on where another one was. */
export function same(one: LiveLayer, other: LiveLayer): boolean {
  return (
    one.name === other.name &&
    one.type === other.type &&
    (one.q ?? '') === (other.q ?? '') &&
    (one.value ?? '') === (other.value ?? '')
  )
}

export class Held {
  /** Layers by look; answers to a look may still be under way when the next one is asked. */
  #looks = new Map<number, Layer[]>()
  #last: Layer[] = []

  /** Take up what is asked now; layers that were there already go on. */
  look(number: number, layers: LiveLayer[]): void {
    this.#last = layers.map(
      (asked) =>
        this.#last.find((layer) => same(layer.asked, asked)) ?? { asked, points: new Map(), cells: new Map(), isNew: true },
    )
    this.#looks.set(number, this.#last)
  }

  /** Begin anew after a loss of the connection: whatever comes first replaces what was there. */
  lose(): void {
    this.#looks.clear()
    this.#last = []
  }

  /** Return what a message changes; layers that are no longer asked for are left out. */
  take(message: Message): Frame[] {
    for (const number of this.#looks.keys()) if (number < message.look) this.#looks.delete(number)
    const layers = this.#looks.get(message.look) ?? []
    const frames: Frame[] = []
    const told = new Map(message.blocks.map((block) => [block.layer, block]))
    layers.forEach((layer, index) => {
      const frame = taken(layer, told.get(index), message.area)
      if (frame && this.#last.includes(layer)) frames.push(frame)
    })
    return frames
  }
}

function taken(layer: Layer, block: Block | undefined, area: Area): Frame | undefined {
  const isWhole = block !== undefined && (block.isAnew || layer.isNew)
  const left = new Map<number, Point>()
  if (isWhole) {
    layer.points.clear()
    layer.cells.clear()
    layer.isNew = false
  } else {
    for (const cell of [...layer.cells.keys()]) if (!within(area, cell)) dropCell(layer, cell, left)
  }
  const sections = block?.sections ?? []
  // First what came, then what went: something that moved to another cell is in both.
  for (const one of sections) put(layer, one)
  for (const one of sections) remove(layer, one, left)
  const gone = [...left].filter(([number]) => !layer.points.has(number)).map(([, point]) => point.id)
  const count = sections.reduce((sum, one) => sum + one.numbers.length, 0)
  if (!isWhole && count === 0 && gone.length === 0) return undefined
  return joined(layer, isWhole, sections, count, gone)
}

function joined(layer: Layer, isWhole: boolean, sections: Section[], count: number, gone: string[]): Frame {
  const frame: Frame = {
    layer: layer.asked.name,
    isWhole,
    ids: [],
    lonlat: new Float64Array(2 * count),
    value: new Float32Array(count),
    at: sections.reduce((newest, one) => Math.max(newest, one.at), 0),
    gone,
  }
  if (sections.some((one) => one.words)) frame.text = []
  let done = 0
  for (const one of sections) {
    frame.lonlat.set(one.lonlat, 2 * done)
    frame.value.set(one.value, done)
    one.numbers.forEach((number, i) => {
      frame.ids.push(layer.points.get(number)?.id ?? '')
      frame.text?.push(one.words?.[i] ?? '')
    })
    done += one.numbers.length
  }
  return frame
}

function put(layer: Layer, section: Section): void {
  const { cell } = section
  let there = layer.cells.get(cell)
  if (!there) layer.cells.set(cell, (there = new Set()))
  section.numbers.forEach((number, i) => {
    let point = layer.points.get(number)
    if (!point) {
      point = { id: section.ids[i] ?? '', cell }
      layer.points.set(number, point)
    }
    point.cell = cell
    there.add(number)
  })
}

function remove(layer: Layer, section: Section, left: Map<number, Point>): void {
  const there = layer.cells.get(section.cell)
  if (!there) return
  const stays = section.isWhole ? new Set(section.numbers) : undefined
  const gone = stays ? [...there].filter((number) => !stays.has(number)) : section.gone
  for (const number of gone) drop(layer, section.cell, there, number, left)
}

function dropCell(layer: Layer, cell: number, left: Map<number, Point>): void {
  const there = layer.cells.get(cell)
  if (there) for (const number of [...there]) drop(layer, cell, there, number, left)
}

function drop(layer: Layer, cell: number, there: Set<number>, number: number, left: Map<number, Point>): void {
  there.delete(number)
  if (there.size === 0) layer.cells.delete(cell)
  const point = layer.points.get(number)
  if (point?.cell !== cell) return // it has moved to another cell meanwhile
  layer.points.delete(number)
  left.set(number, point)
}
