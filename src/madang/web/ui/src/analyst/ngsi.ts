// A question of NGSI-LD as a form asks it, and as the hub takes it. Pure.
import type { Parameters } from '../api/client.ts'

export interface Asked extends Record<string, string> {
  type: string
  q: string
  attrs: string
  georel: string
  /** `longitude, latitude` */
  point: string
  metres: string
  /** Corners as `longitude, latitude; …`, or the coordinates of a GeoJSON polygon. */
  area: string
}

export function blank(): Asked {
  return { type: '', q: '', attrs: '', georel: '', point: '', metres: '', area: '' }
}

/** The part of a form that is wrong; empty if none is. */
export function faultOf(asked: Asked): '' | 'point' | 'metres' | 'area' {
  if (asked.georel === 'near') {
    if (!pair(asked.point)) return 'point'
    return Number(asked.metres) > 0 ? '' : 'metres'
  }
  return asked.georel === 'within' && !ring(asked.area) ? 'area' : ''
}

/** The parameters of Query Entities (ETSI GS CIM 009 clause 6.4.3.2). */
export function asParameters(asked: Asked): Parameters {
  const { type, q, attrs } = asked
  const found: Parameters = { type, q, attrs }
  if (asked.georel === 'near') {
    return { ...found, georel: `near;maxDistance==${Number(asked.metres)}`, geometry: 'Point', coordinates: JSON.stringify(pair(asked.point)) }
  }
  if (asked.georel === 'within') return { ...found, georel: 'within', geometry: 'Polygon', coordinates: JSON.stringify(ring(asked.area)) }
  // A question about everything must say that it means it.
  return type || q || attrs ? found : { ...found, local: true }
}

function pair(text: string): [number, number] | undefined {
  const parts = text.split(',').map((one) => (one.trim() === '' ? Number.NaN : Number(one)))
  const [lon = Number.NaN, lat = Number.NaN] = parts
  return parts.length === 2 && Math.abs(lon) <= 180 && Math.abs(lat) <= 90 ? [lon, lat] : undefined
}

function ring(text: string): number[][][] | undefined {
  if (text.trim().startsWith('[')) {
    try {
      const found = JSON.parse(text) as number[][][]
      return Array.isArray(found?.[0]?.[0]) ? found : undefined
    } catch {
      return undefined
    }
  }
  const corners = text.split(';').filter((one) => one.trim() !== '').map(pair)
  if (corners.length < 3 || corners.includes(undefined)) return undefined
  const whole = corners as [number, number][]
  const [first, last] = [whole[0], whole.at(-1)]
  if (first && last && (first[0] !== last[0] || first[1] !== last[1])) whole.push(first)
  return [whole]
}
