// The state of the map as parameters of the address, so that a link brings the same view.

/** A layer of things: which, coloured by which attribute, narrowed by which query. */
export interface Layer {
  type: string
  value: string
  q: string
}

export interface Camera {
  lon: number
  lat: number
  zoom: number
  pitch: number
  bearing: number
}

/** A stretch of the past that is shown. */
export interface Past {
  /** [ms since 1970] */
  start: number
  end: number
  /** [s] */
  step: number
}

const NONE = '-'
const STEPS_S = [1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 28_800, 86_400]
const MOST_STEPS = 300

/** `126.97800,37.56600,13.20,45,-20`; what is straight and north is left out. */
export function told(camera: Camera): string {
  const rounded = [camera.lon.toFixed(5), camera.lat.toFixed(5), camera.zoom.toFixed(2)]
  if (camera.pitch || camera.bearing) rounded.push(camera.pitch.toFixed(0), camera.bearing.toFixed(0))
  return rounded.join(',')
}

export function camera(text: string): Camera | undefined {
  const parts = text.split(',').map(Number)
  const [lon = NaN, lat = NaN, zoom = NaN, pitch = 0, bearing = 0] = parts
  const isRight =
    parts.length >= 3 && parts.length <= 5 && parts.every(Number.isFinite) &&
    Math.abs(lon) <= 180 && Math.abs(lat) <= 85 && zoom >= 0 && zoom <= 24 && pitch >= 0 && pitch <= 85
  return isRight ? { lon, lat, zoom, pitch, bearing } : undefined
}

/** Tell whether two cameras show the same, as exactly as the address says it. */
export function isSame(one: Camera, other: Camera): boolean {
  return told(one) === told(other)
}

function part(text: string): string {
  return encodeURIComponent(text).replaceAll('~', '%7E')
}

/** `Vehicle~speed,ParkingSpot~status~status%3D%3D%22free%22`; `-` is no layer at all. */
export function toldLayers(layers: Layer[]): string {
  if (!layers.length) return NONE
  return layers
    .map(({ type, value, q }) => [type, value, q].map(part).join('~').replace(/~+$/, ''))
    .join(',')
}

/** The layers of the address; undefined if it does not say. */
export function layers(text: string): Layer[] | undefined {
  if (!text) return undefined
  if (text === NONE) return []
  const found: Layer[] = []
  for (const one of text.split(',')) {
    const [type = '', value = '', q = ''] = one.split('~').map(decoded)
    if (type && !found.some((layer) => layer.type === type)) found.push({ type, value, q })
  }
  return found
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return ''
  }
}

/** The finest usual step that covers a time in as many pictures as a film may have. [s] */
export function stepOf(start: number, end: number): number {
  const seconds = (end - start) / 1000
  return STEPS_S.find((step) => seconds / step <= MOST_STEPS) ?? Math.ceil(seconds / MOST_STEPS)
}

/** Steps that one may choose for a time. [s] */
export function stepsOf(start: number, end: number): number[] {
  const seconds = (end - start) / 1000
  return STEPS_S.filter((step) => seconds / step <= MOST_STEPS && seconds / step >= 4).slice(0, 6)
}

/** `2026-11-20T00:00:00.000Z/2026-11-21T00:00:00.000Z/300`. */
export function toldPast(past: Past): string {
  return `${new Date(past.start).toISOString()}/${new Date(past.end).toISOString()}/${past.step}`
}

export function past(text: string): Past | undefined {
  const [from = '', to = '', by = ''] = text.split('/')
  const [start, end, step] = [Date.parse(from), Date.parse(to), Number(by)]
  if (!Number.isFinite(start) || !Number.isFinite(end) || start >= end) return undefined
  const least = stepOf(start, end)
  return { start, end, step: Number.isInteger(step) && step >= 1 && (end - start) / 1000 / step <= MOST_STEPS ? step : least }
}

/** Yesterday from midnight to midnight, or another day, on this browser's clock. */
export function day(of: Date): Past {
  const start = new Date(of.getFullYear(), of.getMonth(), of.getDate()).getTime()
  const end = new Date(of.getFullYear(), of.getMonth(), of.getDate() + 1).getTime()
  return { start, end, step: stepOf(start, end) }
}
