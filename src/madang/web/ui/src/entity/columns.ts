// Which attributes of a list of entities are worth a column.
import type { Attribute, Entity } from '../api/entities.ts'

const ELSEWHERE = new Set(['id', 'type', 'scope', '@context', 'createdAt', 'modifiedAt', 'expiresAt', 'name', 'title', 'alternateName'])
const LONGEST = 40

/** Up to `most` attributes that most of the entities have and that fit into a cell: measured ones first. */
export function mainAttributes(entities: Entity[], most: number): string[] {
  const worth = new Map<string, number>()
  for (const entity of entities) {
    for (const [name, value] of Object.entries(entity)) {
      if (ELSEWHERE.has(name)) continue
      const instance = (Array.isArray(value) ? value[0] : value) as Attribute
      const points = worthOf(instance)
      if (points) worth.set(name, (worth.get(name) ?? 0) + points)
    }
  }
  return [...worth].toSorted((a, b) => b[1] - a[1]).slice(0, most).map(([name]) => name)
}

function worthOf(instance: Attribute): number {
  const { value } = instance
  if (typeof value === 'number' || typeof value === 'boolean') return instance.observedAt ? 3 : 2
  if (typeof value === 'string') return value.length <= LONGEST ? 1 + (instance.observedAt ? 1 : 0) : 0
  return instance.object === undefined ? 0 : 0.5
}
