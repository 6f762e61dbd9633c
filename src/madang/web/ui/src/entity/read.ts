// What the pages of entities ask the hub, beyond NGSI-LD.
import { attributesOf, type Attribute, type Entity } from '../api/entities.ts'

/** `GET /ui/rights`: what one may do to an entity. */
export interface Rights {
  update: boolean
  delete: boolean
  /** Attributes that everybody sees; null: nobody sees it without signing in. */
  public: string[] | null
}

/** `GET /ui/types`. */
export interface TypeCount {
  type: string
  count: number
  /** Relationships that some of them have. */
  relations: string[]
}

/** A relationship of an entity with another. */
export interface Link {
  relation: string
  /** Of the other. */
  id: string
  name: string
  type: string
}

type Words = { en: string; ko: string }

/** A command that a device offers, as its profile says. */
export interface Offer {
  name: string
  title: Words
  /** JSON Schema. */
  parameters: unknown
  timeout_s: number
  approvals: number
  at_least_apart_s: number
  interlocks: { q: string; of: string; message: Words }[]
  revert: { command: string; after_s: number | null } | null
}

/** `GET /commands/offers`. */
export interface Offers {
  device: string | null
  state: string
  isInUse: boolean
  commands: Offer[]
}

/** A write, as `GET /ui/changes` tells it. */
export interface Change {
  at: string
  /** The service that wrote; null: history does not know. */
  by: string | null
  attributes: { name: string; datasetId?: string; unitCode?: string; before?: unknown; value?: unknown; deleted: boolean }[]
}

/** When something was last observed or changed of an entity. */
export function latest(entity: Entity): string | undefined {
  const times = attributesOf(entity).flatMap(([, instances]) => instances.map((one) => one.observedAt ?? (one.modifiedAt as string | undefined)))
  return times.filter((one) => one !== undefined).toSorted().at(-1)
}

/** The entities that a Relationship leads to. */
export function linkedIds(attribute: Attribute): string[] {
  if (attribute.objectList) return attribute.objectList.map((one) => one.object)
  return attribute.object === undefined ? [] : [attribute.object].flat()
}
