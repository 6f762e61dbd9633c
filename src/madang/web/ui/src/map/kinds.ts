// What kinds of things the city has on the map, as `GET /map/types` tells.
import type { Bounds } from './marks.ts'
import type { Role } from './style.ts'

export interface Quantity {
  name: string
  kind: 'number' | 'category'
  /** Of numbers, in the sample that was looked at. */
  min?: number
  max?: number
  /** Between which nine tenths of them lie: what is far off must not wash out all colours. */
  low?: number
  high?: number
  unit?: string
  /** Of categories: what occurs. */
  values?: string[]
}

export interface Kind {
  type: string
  count: number
  geometry: 'point' | 'line' | 'polygon' | 'mixed'
  isMoving: boolean
  attributes: Quantity[]
}

export interface Basemap {
  minzoom: number
  maxzoom: number
  bounds: Bounds
  attribution: string
  format: 'vector' | 'raster'
  layers: string[]
}

export interface Kinds {
  types: Kind[]
  bounds: Bounds | null
  basemap: Basemap | null
}

/** As what a kind of thing is drawn below the points; undefined for points. */
export function roleOf(kind: Kind): Role | undefined {
  if (kind.geometry === 'line') return 'street'
  if (kind.geometry !== 'polygon') return undefined
  const isBuilt = kind.attributes.some((one) => one.name === 'height' || one.name === 'floorsAboveGround')
  return isBuilt || /building/i.test(kind.type) ? 'building' : 'zone'
}

/** Whether things of a kind can be shown as points that change: all but streets and buildings. */
export function isLayer(kind: Kind): boolean {
  const role = roleOf(kind)
  return role === undefined || role === 'zone'
}

/** Warnings, drawn above everything else in colours of their own. */
export const SEVERITY = 'severity'

export function isWarning(type: string): boolean {
  return type === 'Alert' || type === 'Incident'
}

/** `https://smartdatamodels.org/Transportation/Vehicle` → `Vehicle`. */
export function shortName(name: string): string {
  return name.slice(Math.max(name.lastIndexOf('/'), name.lastIndexOf('#')) + 1) || name
}
