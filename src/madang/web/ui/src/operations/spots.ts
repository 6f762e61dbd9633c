// Alarms and incidents as marks of a small map. Pure.
import { boundsOf, type Mark } from '../map/marks.ts'
import { severityKind } from './alarms.ts'
import type { Severity } from './types.ts'

export interface Spot {
  id: string
  title: string
  location: GeoJSON.Geometry | null | undefined
  kind: Severity
}

/** A mark for each that lies somewhere; an area has its mark in its middle. */
export function marksOf(spots: Spot[]): Mark[] {
  return spots.flatMap(({ id, title, location, kind }) => {
    if (!location) return []
    const bounds = boundsOf([{ id, lon: NaN, lat: NaN, geometry: location }])
    if (!bounds) return []
    const mark: Mark = { id, lon: (bounds[0] + bounds[2]) / 2, lat: (bounds[1] + bounds[3]) / 2, label: title, kind: severityKind(kind) }
    return [location.type === 'Point' ? mark : { ...mark, geometry: location }]
  })
}
