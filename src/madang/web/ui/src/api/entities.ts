// NGSI-LD entities as the hub gives them (normalized), and how people read them.
import { language, spoken } from '../shell/texts.svelte'

export interface Attribute {
  type: string
  value?: unknown
  object?: string | string[]
  languageMap?: Record<string, string | string[]>
  vocab?: string | string[]
  json?: unknown
  valueList?: unknown[]
  objectList?: { object: string }[]
  unitCode?: string
  observedAt?: string
  datasetId?: string
  [subAttribute: string]: unknown
}

export interface Entity {
  id: string
  type: string | string[]
  scope?: string | string[]
  [attribute: string]: unknown
}

const MEMBERS = new Set(['id', 'type', 'scope', '@context', 'createdAt', 'modifiedAt', 'deletedAt', 'expiresAt'])

/** The attributes of an entity by name; one with several instances (datasetId) has them all. */
export function attributesOf(entity: Entity): [string, Attribute[]][] {
  return Object.entries(entity)
    .filter(([name]) => !MEMBERS.has(name))
    .map(([name, value]) => [name, (Array.isArray(value) ? value : [value]) as Attribute[]])
}

/** What an attribute says, whatever its kind. */
export function contentOf(attribute: Attribute | undefined): unknown {
  if (!attribute) return undefined
  if (attribute.languageMap) return spoken(attribute.languageMap as Record<string, string>)
  return (
    attribute.value ?? attribute.object ?? attribute.vocab ?? attribute.json ?? attribute.valueList ??
    attribute.objectList?.map((one) => one.object)
  )
}

export function attribute(entity: Entity, name: string): Attribute | undefined {
  const found = entity[name]
  return (Array.isArray(found) ? found[0] : found) as Attribute | undefined
}

/** The name for people, in their language; the end of the id if it has none. */
export function nameOf(entity: Entity): string {
  for (const key of ['name', 'title', 'alternateName']) {
    const content = contentOf(attribute(entity, key))
    if (typeof content === 'string' && content) return content
  }
  return shortId(entity.id)
}

/** `urn:ngsi-ld:ParkingSpot:A1` → `A1`. */
export function shortId(id: string): string {
  return id.replace(/^urn:ngsi-ld:[^:]+:/, '')
}

export function shortType(entity: Entity): string {
  return Array.isArray(entity.type) ? entity.type.join(', ') : entity.type
}

const NUMBERS = new Map<string, Intl.NumberFormat>()

/** A number as the reader writes it, with at most `digits` digits after the point. */
export function number(value: number, digits = 2): string {
  const key = `${language()} ${digits}`
  let format = NUMBERS.get(key)
  if (!format) NUMBERS.set(key, (format = new Intl.NumberFormat(language(), { maximumFractionDigits: digits })))
  return format.format(value)
}

/** UN/CEFACT Recommendation 20 codes as people write them; a code that is not here is shown itself. */
const UNITS: Record<string, string> = {
  CEL: '°C', GQ: 'µg/m³', '59': 'ppm', '61': 'ppb', P1: '%', KMH: 'km/h', MTS: 'm/s', MTR: 'm', KMT: 'km', MMT: 'mm', CMT: 'cm',
  C62: '', '2N': 'dB', KWH: 'kWh', WTT: 'W', KWT: 'kW', VLT: 'V', AMP: 'A', LUX: 'lx', LUM: 'lm', PAL: 'Pa', A97: 'hPa', BAR: 'bar',
  LTR: 'L', MTQ: 'm³', MQH: 'm³/h', G51: 'L/min', SEC: 's', MIN: 'min', HUR: 'h', DAY: 'd', KGM: 'kg', TNE: 't', GRM: 'g', MTK: 'm²',
  DD: '°', HTZ: 'Hz', KEL: 'K', D54: 'W/m²', KRW: '₩', EUR: '€', C18: 'mmol', '4K': 'mA', MQS: 'm³/s', DBM: 'dBm', H67: 'mm/h', E3: '%',
}

export function unit(code: string | undefined): string {
  return code === undefined ? '' : (UNITS[code] ?? code)
}

/** A content as one line of text: numbers with their unit, points as longitude and latitude. */
export function told(content: unknown, unitCode?: string): string {
  if (content === undefined || content === null) return '–'
  if (typeof content === 'number') {
    const text = number(content, Math.abs(content) < 1 ? 4 : 2)
    const sign = unit(unitCode)
    return sign ? `${text}\u00a0${sign}` : text
  }
  if (typeof content === 'boolean') return content ? '✓' : '✗'
  if (typeof content === 'string') return content
  if (Array.isArray(content)) return content.map((one) => told(one, unitCode)).join(', ')
  const geometry = content as { type?: string; coordinates?: unknown }
  if (geometry.type === 'Point' && Array.isArray(geometry.coordinates)) {
    return (geometry.coordinates as number[]).map((one) => one.toFixed(5)).join(', ')
  }
  if (geometry.type && geometry.coordinates) return geometry.type
  return JSON.stringify(content)
}
