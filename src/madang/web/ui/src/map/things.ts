// The things of one layer as the map draws them: columns, not objects, for there are many.
import type { Frame } from '../live/held.ts'

export interface Thing {
  id: string
  lon: number
  lat: number
  /** NaN if it has none. */
  value: number
  text: string
}

export class Things {
  readonly #places = new Map<string, number>()
  ids: string[] = []
  lonlat: number[] = []
  values: number[] = []
  texts: string[] = []
  /** When the latest of it was told. [ms since 1970] */
  at = 0

  get size(): number {
    return this.ids.length
  }

  /** Take what the stream tells; a whole frame replaces all. */
  take(frame: Frame): void {
    if (frame.isWhole) this.clear()
    for (const [index, id] of frame.ids.entries()) {
      this.put(id, frame.lonlat[2 * index] ?? NaN, frame.lonlat[2 * index + 1] ?? NaN, frame.value[index] ?? NaN, frame.text?.[index] ?? '')
    }
    for (const id of frame.gone) this.drop(id)
    this.at = Math.max(this.at, frame.at)
  }

  put(id: string, lon: number, lat: number, value: number, text: string): void {
    let place = this.#places.get(id)
    if (place === undefined) {
      place = this.ids.length
      this.#places.set(id, place)
      this.ids.push(id)
    }
    this.lonlat[2 * place] = lon
    this.lonlat[2 * place + 1] = lat
    this.values[place] = value
    this.texts[place] = text
  }

  /** Take one away; the last comes into its place. */
  drop(id: string): void {
    const place = this.#places.get(id)
    if (place === undefined) return
    const last = this.ids.length - 1
    const moved = this.ids[last] ?? id
    this.ids[place] = moved
    this.lonlat[2 * place] = this.lonlat[2 * last] ?? NaN
    this.lonlat[2 * place + 1] = this.lonlat[2 * last + 1] ?? NaN
    this.values[place] = this.values[last] ?? NaN
    this.texts[place] = this.texts[last] ?? ''
    this.#places.set(moved, place)
    this.#places.delete(id)
    for (const column of [this.ids, this.values, this.texts]) column.length = last
    this.lonlat.length = 2 * last
  }

  clear(): void {
    this.#places.clear()
    for (const column of [this.ids, this.lonlat, this.values, this.texts]) column.length = 0
  }

  one(id: string): Thing | undefined {
    const place = this.#places.get(id)
    return place === undefined ? undefined : this.nth(place)
  }

  nth(place: number): Thing {
    return {
      id: this.ids[place] ?? '',
      lon: this.lonlat[2 * place] ?? NaN,
      lat: this.lonlat[2 * place + 1] ?? NaN,
      value: this.values[place] ?? NaN,
      text: this.texts[place] ?? '',
    }
  }

  /** Up to so many of them, for tables. */
  first(most: number): Thing[] {
    return Array.from({ length: Math.min(most, this.size) }, (_, place) => this.nth(place))
  }

  /** As a frame that replaces all there was. */
  frame(layer: string): Frame {
    return {
      layer, isWhole: true, ids: [...this.ids], lonlat: Float64Array.from(this.lonlat),
      value: Float32Array.from(this.values), text: [...this.texts], at: this.at, gone: [],
    }
  }

  /** As GeoJSON points. */
  features(ids: Iterable<string> = this.ids): GeoJSON.Feature[] {
    const features: GeoJSON.Feature[] = []
    for (const id of ids) {
      const thing = this.one(id)
      if (thing && Number.isFinite(thing.lon) && Number.isFinite(thing.lat)) features.push(featureOf(thing))
    }
    return features
  }
}

/** A point of GeoJSON: `v` is the number, `t` the word. */
function featureOf({ id, lon, lat, value, text }: Thing): GeoJSON.Feature {
  const properties: GeoJSON.GeoJsonProperties = { id }
  if (Number.isFinite(value)) properties.v = value
  if (text) properties.t = text
  return { type: 'Feature', geometry: { type: 'Point', coordinates: [lon, lat] }, properties }
}
