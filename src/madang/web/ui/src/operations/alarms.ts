// Alarms are entities of type Alert, whoever wrote them. Pure: no clock, no page.
import type { Geometry } from 'geojson'

import { SEVERITIES, type Severity, type Words } from './types.ts'

/** An Alert as `format=simplified` gives it. */
export type Alert = { id: string } & Record<string, unknown>

export interface Alarm {
  id: string
  title: string | Words
  text: string | Words
  category: string
  kind: string
  severity: Severity
  /** Entities that it is about. */
  about: string[]
  /** Who raised it: `service:waste`, the id of a device, the address of a feed. */
  source: string
  location: Geometry | undefined
  area: string | Words
  /** [ms since 1970] */
  since: number
  /** When it is or was over, if that is known. [ms since 1970] */
  until: number | undefined
  isRunning: boolean
}

export const ATTRIBUTES =
  'title,name,description,category,subCategory,severity,refersTo,alertSource,location,areaServed,' +
  'validFrom,dateIssued,validTo,status,alertStatus'

const OVER = new Set(['closed', 'cancelled', 'updated', 'resolved', 'expired'])

/** Which alarms to ask for: those that run, and those that ended after an instant; one that runs anew may bear an old end. */
export function wanted(after_ms: number): string {
  return `!validTo|validTo>${new Date(after_ms).toISOString()}|status=="open"`
}

export function alarmOf(alert: Alert, now_ms: number): Alarm {
  const category = plain(alert.category) || 'other'
  const kind = plain(alert.subCategory) || category
  const issued = instant(alert.dateIssued)
  const end = instant(alert.validTo)
  const until = end !== undefined && issued !== undefined && end < issued ? undefined : end
  const isOver = [alert.status, alert.alertStatus].some((one) => OVER.has(plain(one).toLowerCase()))
  const severity = SEVERITIES.find((one) => one === alert.severity) ?? 'informational'
  const about = listed(alert.refersTo)
  const source = plain(alert.alertSource)
  return {
    id: alert.id,
    title: words(alert.title) || words(alert.name),
    text: words(alert.description),
    category,
    kind,
    severity,
    about: about.length ? about : listed(alert.alertSource).filter((one) => one.startsWith('urn:')),
    source,
    location: alert.location as Geometry | undefined,
    area: words(alert.areaServed),
    since: instant(alert.validFrom) ?? issued ?? now_ms,
    until,
    isRunning: !isOver && (until === undefined || until > now_ms),
  }
}

/** The gravest first, of those the newest. */
export function byUrgency(one: Alarm, other: Alarm): number {
  if (one.isRunning !== other.isRunning) return one.isRunning ? -1 : 1
  return rank(other.severity) - rank(one.severity) || other.since - one.since
}

export function rank(severity: Severity): number {
  return SEVERITIES.indexOf(severity)
}

export interface Filter {
  state: string
  severity: string
  kind: string
  source: string
  words: string
}

/** Whether an alarm is one of those wanted; what is empty wants all. `severity` is the least. */
export function fits(alarm: Alarm, filter: Filter, told: (words: string | Words) => string): boolean {
  if (filter.state === 'running' && !alarm.isRunning) return false
  if (filter.state === 'ended' && alarm.isRunning) return false
  if (filter.severity && rank(alarm.severity) < rank(filter.severity as Severity)) return false
  if (filter.kind && alarm.kind !== filter.kind && alarm.category !== filter.kind) return false
  if (filter.source && raiser(alarm.source).key !== filter.source) return false
  if (!filter.words) return true
  const text = [told(alarm.title), told(alarm.text), alarm.kind, told(alarm.area), alarm.source, alarm.id, ...alarm.about]
  return text.join(' ').toLowerCase().includes(filter.words.toLowerCase())
}

/** An id as people read it: without the beginning that all have, also where it names another. */
export function plainId(id: string): string {
  const short = id.replace(/^urn:ngsi-ld:[^:]+:/, '')
  try {
    return decodeURIComponent(short).replaceAll('urn:ngsi-ld:', '')
  } catch {
    return short
  }
}

export interface Raiser {
  kind: 'service' | 'device' | 'subscription' | 'feed' | 'other'
  /** Of the service or device, the id of the subscription, or the host of the feed. */
  name: string
  key: string
}

/** Who raised an alarm, from what it says of its source. */
export function raiser(source: string): Raiser {
  const service = /^service:(.+)$/.exec(source)?.[1]
  if (service) return { kind: 'service', name: service, key: source }
  const device = /^urn:ngsi-ld:Device:(.+)$/.exec(source)?.[1]
  if (device) return { kind: 'device', name: device, key: 'device' }
  const subscription = /^subscription:(.+)$/.exec(source)?.[1]
  if (subscription) return { kind: 'subscription', name: subscription, key: 'subscription' }
  const host = /^https?:\/\/([^/:]+)/.exec(source)?.[1]
  if (host) return { kind: 'feed', name: host, key: host }
  return { kind: 'other', name: source, key: source || 'other' }
}

export interface Bar {
  id: string
  /** From 0 to 1 of the time shown. */
  from: number
  to: number
  row: number
}

/**
 * Where alarms are drawn in a stretch of time: each in the first row in which it touches no other.
 *
 * Args: `gap` is how far apart two in one row are at least, as a part of the stretch.
 */
export function bars(alarms: Alarm[], from_ms: number, to_ms: number, gap = 0.004): Bar[] {
  const ends: number[] = []
  const span = to_ms - from_ms
  const seen = alarms.filter((one) => one.since < to_ms && (one.isRunning || (one.until ?? one.since) > from_ms))
  return seen
    .toSorted((a, b) => a.since - b.since)
    .map((one) => {
      const end = one.isRunning ? to_ms : (one.until ?? one.since)
      const from = Math.max(0, (one.since - from_ms) / span)
      const to = Math.min(1, Math.max((end - from_ms) / span, from + 0.004))
      let row = ends.findIndex((last) => last + gap <= from)
      if (row < 0) row = ends.length
      ends[row] = to
      return { id: one.id, from, to, row }
    })
}

/** Whole hours in a stretch of time, so that about `most` marks are on its axis. [ms since 1970] */
export function marks(from_ms: number, to_ms: number, most = 8): number[] {
  const hour = 3_600_000
  const step = [1, 2, 3, 6, 12, 24, 48, 96, 168].find((one) => (to_ms - from_ms) / (one * hour) <= most) ?? 336
  const offset = new Date(to_ms).getTimezoneOffset() * 60_000
  const found: number[] = []
  const first = Math.ceil((from_ms - offset) / (step * hour)) * step * hour + offset
  for (let at = first; at <= to_ms; at += step * hour) found.push(at)
  return found
}

function plain(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function listed(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : []
}

function words(value: unknown): string | Words {
  if (typeof value === 'string') return value
  const map = (value as { languageMap?: Words } | null | undefined)?.languageMap
  return map ?? ''
}

function instant(value: unknown): number | undefined {
  const text = typeof value === 'object' && value ? (value as { '@value'?: unknown })['@value'] : value
  const found = typeof text === 'string' ? Date.parse(text) : NaN
  return Number.isNaN(found) ? undefined : found
}

/** The colour of a severity. */
export function severityKind(severity: Severity): 'bad' | 'warn' | 'info' | 'quiet' {
  return { critical: 'bad', high: 'bad', medium: 'warn', low: 'info', informational: 'quiet' }[severity] as 'bad' | 'warn' | 'info' | 'quiet'
}
