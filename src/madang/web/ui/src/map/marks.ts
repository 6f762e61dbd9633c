// Things to be shown on a small map.
export interface Mark {
  id: string
  /** [degrees, WGS 84] */
  lon: number
  lat: number
  label?: string
  /** What its colour says; the label must say it too. */
  kind?: 'good' | 'bad' | 'warn' | 'info' | 'quiet'
  /** Its outline or course, if it is no point. */
  geometry?: GeoJSON.Geometry
}

export const EMPTY: GeoJSON.FeatureCollection = { type: 'FeatureCollection', features: [] }

export type Bounds = [west: number, south: number, east: number, north: number]

/** Every position of a geometry. */
export function* positions(geometry: GeoJSON.Geometry): Generator<GeoJSON.Position> {
  if (geometry.type === 'GeometryCollection') {
    for (const one of geometry.geometries) yield* positions(one)
    return
  }
  yield* flattened(geometry.coordinates)
}

type Nested = GeoJSON.Position | Nested[]

function* flattened(found: Nested): Generator<GeoJSON.Position> {
  if (typeof found[0] === 'number') yield found as GeoJSON.Position
  else for (const one of found as Nested[]) yield* flattened(one)
}

/** What holds all marks; undefined if there are none. */
export function boundsOf(marks: Mark[]): Bounds | undefined {
  const found: Bounds = [Infinity, Infinity, -Infinity, -Infinity]
  for (const mark of marks) {
    widen(found, mark.lon, mark.lat)
    if (mark.geometry) for (const [lon = 0, lat = 0] of positions(mark.geometry)) widen(found, lon, lat)
  }
  return found[0] <= found[2] ? found : undefined
}

export function widen(bounds: Bounds, lon: number, lat: number): void {
  if (!Number.isFinite(lon) || !Number.isFinite(lat)) return
  bounds[0] = Math.min(bounds[0], lon)
  bounds[1] = Math.min(bounds[1], lat)
  bounds[2] = Math.max(bounds[2], lon)
  bounds[3] = Math.max(bounds[3], lat)
}

/** Marks as GeoJSON: outlines and courses below, points above. */
export function featuresOf(marks: Mark[]): GeoJSON.FeatureCollection {
  const features: GeoJSON.Feature[] = []
  for (const { id, lon, lat, label = '', kind = 'info', geometry } of marks) {
    const properties = { id, label, kind }
    if (geometry && geometry.type !== 'Point') features.push({ type: 'Feature', geometry, properties })
    if (Number.isFinite(lon) && Number.isFinite(lat)) {
      features.push({ type: 'Feature', geometry: { type: 'Point', coordinates: [lon, lat] }, properties })
    }
  }
  return { type: 'FeatureCollection', features }
}
