// Differences as people read them: how far an interval reaches, which streets change most.
import type { Figure, Streets, StreetProperties } from './types'

/** A confidence interval on a line from 0 to 100, zero in the middle. [%] */
export interface Bar {
  low: number
  high: number
  middle: number
}

/**
 * Place a difference and its interval on a line that reaches as far to both sides as the widest of
 * all; undefined if there is nothing to compare with.
 */
export function bar(percent: number | null, interval: [number, number] | null, difference: number, reach: number): Bar | undefined {
  if (percent === null || !reach) return undefined
  const per = difference ? percent / difference : 0
  const place = (value: number): number => Math.min(100, Math.max(0, 50 + (50 * value) / reach))
  const [low, high] = interval && difference ? [interval[0] * per, interval[1] * per] : [percent, percent]
  return { low: place(Math.min(low, high)), high: place(Math.max(low, high)), middle: place(percent) }
}

/** How far a line must reach for all differences to be on it; wide intervals are cut. [%] */
export function reachOf(rows: { percent: number | null }[]): number {
  const widest = Math.max(...rows.map((row) => Math.abs(row.percent ?? 0)), 0)
  return Math.min(100, Math.max(5, 1.5 * widest))
}

/** Units of the figures of streets, as UN/CEFACT codes; delay is vehicle hours. */
export const UNITS: Record<Figure, string> = { delay: 'HUR', flow: '', speed: 'KMH', co2: 'KGM', noise: '2N' }

/** Whether more of a figure is worse. */
export const WORSE: Record<Figure, boolean> = { delay: true, flow: true, speed: false, co2: true, noise: true }

/** The difference at which a colour is full: what nine of ten streets that change do not pass. */
export function full(streets: Streets, figure: Figure): number {
  const sizes = streets.features
    .map((one) => Math.abs(one.properties[figure].difference))
    .filter((one) => one > 0)
    .sort((a, b) => a - b)
  return sizes[Math.floor(0.9 * (sizes.length - 1))] ?? 1
}

/** The streets that change most, largest first. */
export function largest(streets: Streets, figure: Figure, count: number): StreetProperties[] {
  return streets.features
    .map((one) => one.properties)
    .filter((one) => one[figure].difference !== 0)
    .sort((a, b) => Math.abs(b[figure].difference) - Math.abs(a[figure].difference))
    .slice(0, count)
}

/** West, south, east and north of all streets; undefined if there is none. */
export function boundsOf(streets: Streets): [number, number, number, number] | undefined {
  let found: [number, number, number, number] | undefined
  for (const { geometry } of streets.features) {
    for (const [lon = 0, lat = 0] of geometry.coordinates) {
      found = found
        ? [Math.min(found[0], lon), Math.min(found[1], lat), Math.max(found[2], lon), Math.max(found[3], lat)]
        : [lon, lat, lon, lat]
    }
  }
  return found
}

/** Put a place in the middle of the first `place = […]` of a policy. */
export function placed(text: string, lon: number, lat: number): string {
  return text.replace(/place = \[[^\]]*\]/, `place = [${lon.toFixed(5)}, ${lat.toFixed(5)}]`)
}

/** Give a policy another title. */
export function titled(text: string, title: string): string {
  return text.replace(/^title = .*$/m, () => `title = ${JSON.stringify(title)}`)
}

/** Of what kinds the measures of a policy are: `["signals: fixed", "closure × 2"]` are `signals_fixed`, `closure`. */
export function kindsOf(measures: readonly string[]): string[] {
  return measures.map((one) => one.replace(/ × \d+$/, '').replace(': ', '_'))
}
