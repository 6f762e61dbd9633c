// What came of a replay and how indicators went, as series of charts.
import type { Attribute, Entity } from '../api/entities.ts'
import type { Series } from '../chart/series.ts'

const DAY_S = 86_400

function attribute(entity: Entity, name: string): Attribute | undefined {
  const found = entity[name]
  return (Array.isArray(found) ? found[0] : found) as Attribute | undefined
}

function observed(entity: Entity, names: string[]): number | undefined {
  for (const name of names) {
    const at = Date.parse(attribute(entity, name)?.observedAt ?? '')
    if (Number.isFinite(at)) return at / 1000
  }
  return undefined
}

/** How an indicator went in a run, from the entities that it would have written. */
export function indicatorSeries(effects: Entity[], service: string, name: string, label: string, unit: string): Series {
  const id = `urn:ngsi-ld:KeyPerformanceIndicator:${service}:${name}`
  const points = effects
    .filter((one) => one.id === id)
    .map((one) => ({ at: observed(one, ['currentValue']), value: attribute(one, 'currentValue')?.value }))
    .filter((one): one is { at: number; value: number } => one.at !== undefined && typeof one.value === 'number')
    .sort((a, b) => a.at - b.at)
  return { label, unit, at: points.map((one) => one.at), value: points.map((one) => one.value) }
}

/** How many entities a day began; an entity that is written again counts once. */
export function perDay(effects: Entity[], type: string, from_s: number, to_s: number, label: string): Series {
  const first = Math.floor(from_s / DAY_S)
  const count = Math.max(Math.ceil(to_s / DAY_S) - first, 1)
  const value = new Array<number>(count).fill(0)
  const seen = new Set<string>()
  for (const one of effects) {
    const at = one.type === type ? observed(one, ['description', 'status', 'title', 'commandName']) : undefined
    if (at === undefined || seen.has(one.id)) continue
    seen.add(one.id)
    const place = Math.min(Math.max(Math.floor(at / DAY_S) - first, 0), count - 1)
    value[place] = (value[place] ?? 0) + 1
  }
  return { label, at: value.map((_, index) => (first + index) * DAY_S), value }
}

/** The service and name in the id of an indicator. */
export function indicatorOf(id: string): { service: string; name: string } | undefined {
  const found = /^urn:ngsi-ld:KeyPerformanceIndicator:([^:]+):(.+)$/.exec(id)
  return found?.[1] && found[2] ? { service: found[1], name: found[2] } : undefined
}
