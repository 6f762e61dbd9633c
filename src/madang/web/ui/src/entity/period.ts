// Which stretch of the past is looked at, and in which periods it is aggregated so that a chart can show it.

const MINUTE = 60
const HOUR = 3600
const DAY = 86_400

/** Most points of a line: more would not be told apart on a screen. */
export const MOST_POINTS = 500

/** Lengths that can be chosen. [s] */
export const RANGES = { hour: HOUR, day: DAY, week: 7 * DAY, month: 30 * DAY, year: 365 * DAY } as const
export type RangeName = keyof typeof RANGES

/** Lengths of periods that people know. [s] */
const PERIODS = [
  1, 5, 10, 30, MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR,
  DAY, 2 * DAY, 7 * DAY, 30 * DAY, 90 * DAY, 365 * DAY,
]

/** The shortest period of which at most `most` fill a range. [s] */
export function periodFor(span_s: number, most = MOST_POINTS): number {
  return PERIODS.find((period) => span_s / period <= most) ?? Math.ceil(span_s / most / DAY) * DAY
}

/** A length as ISO 8601 has it, such as `PT5M`. */
export function isoDuration(seconds: number): string {
  if (seconds % DAY === 0) return `P${seconds / DAY}D`
  if (seconds % HOUR === 0) return `PT${seconds / HOUR}H`
  if (seconds % MINUTE === 0) return `PT${seconds / MINUTE}M`
  return `PT${seconds}S`
}

/** A length as people say it, such as `5 minutes`. */
export function spokenDuration(seconds: number, language: string): string {
  const [unit, size] = seconds % DAY === 0 ? ['day', DAY] : seconds % HOUR === 0 ? ['hour', HOUR] : seconds % MINUTE === 0 ? ['minute', MINUTE] : ['second', 1]
  return new Intl.NumberFormat(language, { style: 'unit', unit: String(unit), unitDisplay: 'long' }).format(seconds / Number(size))
}

/** One of the lengths; the day if it is none of them. */
export function rangeName(text: string): RangeName {
  return Object.hasOwn(RANGES, text) ? (text as RangeName) : 'day'
}

/** A range of time. [s since 1970] */
export interface Span {
  from: number
  to: number
  /** It ends now, so it moves on. */
  isRunning: boolean
}

/** What the address asks for: `range=week`, or `from` and `to`; the last day otherwise. */
export function spanOf(range: string, from: string, to: string, now_s: number): Span {
  const [start, end] = [Date.parse(from) / 1000, Date.parse(to) / 1000]
  if (Number.isFinite(start) && Number.isFinite(end) && start < end) return { from: start, to: end, isRunning: false }
  return { from: now_s - RANGES[rangeName(range)], to: now_s, isRunning: true }
}

/** A time as NGSI-LD has it. */
export function isoTime(at_s: number): string {
  return new Date(Math.round(at_s * 1000)).toISOString()
}
