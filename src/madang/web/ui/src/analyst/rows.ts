// Rows of an answer: what their columns are, and what charts, maps and files make of them. Pure.
import type { Series } from '../chart/series.ts'

export type Row = Record<string, unknown>
export type Kind = 'number' | 'time' | 'text' | 'boolean' | 'place' | 'json'

export interface Column {
  name: string
  kind: Kind
}

const SAMPLE = 200
const INSTANT = /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.]\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?$/

/** The columns of rows, in the order in which they first occur, each with the kind of its values. */
export function columnsOf(rows: Row[]): Column[] {
  const kinds = new Map<string, Kind | undefined>()
  for (const [index, row] of rows.entries()) {
    for (const [name, value] of Object.entries(row)) {
      if (!kinds.has(name)) kinds.set(name, undefined)
      if (index < SAMPLE || kinds.get(name) === undefined) kinds.set(name, joined(kinds.get(name), kindOf(value)))
    }
  }
  return [...kinds].map(([name, kind]) => ({ name, kind: kind ?? 'text' }))
}

function joined(one: Kind | undefined, other: Kind | undefined): Kind | undefined {
  if (one === undefined || other === undefined || one === other) return one ?? other
  return one === 'json' || other === 'json' || one === 'place' || other === 'place' ? 'json' : 'text'
}

function kindOf(value: unknown): Kind | undefined {
  if (value === null || value === undefined) return undefined
  if (typeof value === 'number') return 'number'
  if (typeof value === 'boolean') return 'boolean'
  if (typeof value === 'string') return INSTANT.test(value) ? 'time' : placeOf(value) ? 'place' : 'text'
  return placeOf(value) ? 'place' : 'json'
}

/** An instant; without a zone it is UTC, as SQL over history gives it. [s since 1970] */
export function timeOf(value: unknown): number {
  if (typeof value !== 'string' || !INSTANT.test(value)) return Number.NaN
  const text = value.replace(' ', 'T')
  const isWhole = text.length <= 10 || /(?:Z|[+-]\d{2}:?\d{2})$/.test(text)
  return Date.parse(isWhole ? text : `${text}Z`) / 1000
}

/** A GeoJSON geometry, or a text that is one. */
export function placeOf(value: unknown): GeoJSON.Geometry | undefined {
  let found = value
  if (typeof value === 'string') {
    if (!value.startsWith('{') || !value.includes('coordinates')) return undefined
    try {
      found = JSON.parse(value)
    } catch {
      return undefined
    }
  }
  const geometry = found as GeoJSON.Geometry | null
  return geometry && typeof geometry === 'object' && typeof geometry.type === 'string' && 'coordinates' in geometry ? geometry : undefined
}

export type PlaceColumns = { lon: string; lat: string } | { place: string }

const LON = /(^|_)(lon|lng|long|longitude|x)$/i
const LAT = /(^|_)(lat|latitude|y)$/i

/** The columns that say where a row is. */
export function placeColumns(columns: Column[]): PlaceColumns | undefined {
  const place = columns.find((one) => one.kind === 'place')
  if (place) return { place: place.name }
  const numbers = columns.filter((one) => one.kind === 'number')
  const lon = numbers.find((one) => LON.test(one.name))
  const lat = numbers.find((one) => LAT.test(one.name))
  return lon && lat ? { lon: lon.name, lat: lat.name } : undefined
}

export interface Spot {
  id: string
  lon: number
  lat: number
  label: string
  geometry?: GeoJSON.Geometry
}

/** Up to `most` rows that have a place. */
export function spotsOf(rows: Row[], columns: Column[], most: number): Spot[] {
  const where = placeColumns(columns)
  if (!where) return []
  const named = columns.find((one) => /^(entity|id|name)$/i.test(one.name)) ?? columns.find((one) => one.kind === 'text')
  const told = columns.find((one) => one.kind === 'number' && !LON.test(one.name) && !LAT.test(one.name))
  const found: Spot[] = []
  for (const [index, row] of rows.entries()) {
    const geometry = 'place' in where ? placeOf(row[where.place]) : undefined
    const position = geometry?.type === 'Point' ? geometry.coordinates : []
    const [lon, lat] = 'lon' in where ? [Number(row[where.lon] ?? Number.NaN), Number(row[where.lat] ?? Number.NaN)] : [position[0] ?? Number.NaN, position[1] ?? Number.NaN]
    if (!geometry && !(Number.isFinite(lon) && Number.isFinite(lat))) continue
    const name = named && row[named.name] != null ? cell(row[named.name]).replace(/^urn:ngsi-ld:[^:]+:/, '') : undefined
    const label = [name, told && row[told.name]].filter((one) => one !== undefined && one !== null).join(' · ')
    found.push({ id: named?.kind === 'text' ? String(row[named.name]) : String(index), lon, lat, label, ...(geometry ? { geometry } : {}) })
    if (found.length >= most) break
  }
  return found
}

/** What a chart has along its axes; `by` splits a figure into a line for each of its values. */
export interface Axes {
  x: string
  y: string[]
  by: string
}

/** Axes that make sense of columns; without a figure there are none. */
export function usualAxes(columns: Column[]): Axes | undefined {
  const x = columns.find((one) => one.kind === 'time') ?? columns.find((one) => one.kind === 'text')
  const figures = columns.filter((one) => one.kind === 'number' && !LON.test(one.name) && !LAT.test(one.name) && one !== x)
  const first = x ?? figures.shift()
  if (!first || !figures.length) return undefined
  const names = columns.filter((one) => one.kind === 'text' && one !== first)
  const by = first.kind === 'time' ? (names.find((one) => /^(entity|id|name|attribute)$/i.test(one.name)) ?? names[0]) : undefined
  return { x: first.name, y: figures.slice(0, by ? 1 : 3).map((one) => one.name), by: by?.name ?? '' }
}

export const MOST_LINES = 6

/** The lines of a chart whose horizontal axis is a time or a number. */
export function linesOf(rows: Row[], columns: Column[], { x, y, by }: Axes): Series[] {
  const isTime = columns.find((one) => one.name === x)?.kind === 'time'
  const lines = new Map<string, [number, number | null][]>()
  for (const row of rows) {
    const at = isTime ? timeOf(row[x]) : Number(row[x] ?? Number.NaN)
    if (!Number.isFinite(at)) continue
    for (const name of y) {
      const label = by ? [String(row[by] ?? '–'), ...(y.length > 1 ? [name] : [])].join(' ') : name
      let points = lines.get(label)
      if (!points) {
        if (lines.size >= MOST_LINES) continue
        lines.set(label, (points = []))
      }
      const value = row[name]
      points.push([at, typeof value === 'number' ? value : null])
    }
  }
  return [...lines].map(([label, points]) => {
    points.sort((a, b) => a[0] - b[0])
    return { label, at: points.map((one) => one[0]), value: points.map((one) => one[1]) }
  })
}

/** A value as a cell of a table or a file has it. */
export function cell(value: unknown): string {
  if (value === null || value === undefined) return ''
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

/** Rows as CSV (RFC 4180), with a header. */
export function csv(rows: Row[], columns: Column[]): string {
  const line = (cells: string[]): string => cells.map(quoted).join(',')
  return [line(columns.map((one) => one.name)), ...rows.map((row) => line(columns.map((one) => cell(row[one.name]))))].join('\r\n') + '\r\n'
}

function quoted(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
