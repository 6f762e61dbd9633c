// What a device has sent last, from the history of its entities.

/** The temporal API's answer with `format=temporalValues`. */
export type Evolution = Record<string, unknown>

interface Pairs {
  type?: string
  values?: [unknown, string][]
  objects?: [unknown, string][]
}

export interface Sent {
  at: string
  entity: string
  values: [name: string, value: unknown][]
}

const MEMBERS = new Set(['id', 'type', 'scope', '@context'])

/** The last messages: values of one entity with one time came together. */
export function lastSent(evolutions: Evolution[], most: number): Sent[] {
  const found = new Map<string, Sent>()
  for (const evolution of evolutions) {
    const entity = String(evolution.id)
    for (const [name, instances] of Object.entries(evolution)) {
      if (MEMBERS.has(name)) continue
      for (const one of [instances].flat() as Pairs[]) {
        for (const [value, at] of one.values ?? one.objects ?? []) {
          const key = `${at} ${entity}`
          const sent = found.get(key) ?? { at, entity, values: [] }
          sent.values.push([name, value])
          found.set(key, sent)
        }
      }
    }
  }
  return [...found.values()].sort((a, b) => Date.parse(b.at) - Date.parse(a.at)).slice(0, most)
}
