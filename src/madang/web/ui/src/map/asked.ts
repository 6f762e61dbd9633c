// What the map asks the hub, besides the live stream.
import { get } from '../api/client'
import type { Entity } from '../api/entities'
import type { FilmAnswer } from './film'
import type { Kind, Kinds } from './kinds'
import { EMPTY, type Bounds } from './marks'

const MOST_TYPES = 20 // in one request
const NAMES_AT_ONCE = 60 // so that the address stays short

export function kindsOfCity(signal?: AbortSignal): Promise<Kinds> {
  return get<Kinds>('/map/types', {}, signal)
}

/** Streets, zones or buildings of some kinds. */
export async function stillOf(kinds: Kind[], signal?: AbortSignal): Promise<GeoJSON.FeatureCollection & { cut?: string }> {
  const type = kinds.slice(0, MOST_TYPES).map((kind) => kind.type).join(',')
  return type ? get('/map/base', { type }, signal) : EMPTY
}

export interface FilmAsked {
  type: string
  q: string
  value: string
  start: string
  end: string
  step: number
  bounds: Bounds | undefined
}

export function filmOf(asked: FilmAsked, signal?: AbortSignal): Promise<FilmAnswer> {
  const bounds = asked.bounds?.map((one) => one.toFixed(5)).join(',')
  return get('/map/past', { ...asked, bounds }, signal)
}

/** Entities with their names only. */
export async function namesOf(ids: string[], signal?: AbortSignal): Promise<Entity[]> {
  const found: Entity[] = []
  for (let start = 0; start < ids.length; start += NAMES_AT_ONCE) {
    const some = ids.slice(start, start + NAMES_AT_ONCE)
    const parameters = { id: some.join(','), pick: 'id,type,name,title', limit: some.length, local: true }
    found.push(...(await get<Entity[]>('/ngsi-ld/v1/entities', parameters, signal)))
  }
  return found
}

export function entityOf(id: string, signal?: AbortSignal): Promise<Entity> {
  return get(`/ngsi-ld/v1/entities/${encodeURIComponent(id)}`, {}, signal)
}

export function found(words: string, signal?: AbortSignal): Promise<Entity[]> {
  return get('/ui/search', { words, limit: 12 }, signal)
}

/** Whether a filter is understood, by asking for nothing but a count; throws the hub's own words. */
export async function check(type: string, q: string, signal?: AbortSignal): Promise<void> {
  await get('/ngsi-ld/v1/entities', { type, q, limit: 1, pick: 'id' }, signal)
}
