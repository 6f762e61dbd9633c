// How many decisions a service has made.
import { page } from '../api/client'
import type { Entity } from '../api/entities'

/** The number of decisions since a time, as far as one may read them. */
export async function decisionsSince(service: string, since: string, signal: AbortSignal): Promise<number> {
  const q = `madeBy~="^${service} ";createdAt>=${since}`
  const found = await page<Entity[]>('/ngsi-ld/v1/entities', { type: 'Decision', q, pick: 'id', count: true, limit: 0 }, signal)
  return found.count ?? 0
}
