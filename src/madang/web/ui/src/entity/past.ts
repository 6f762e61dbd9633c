// What the temporal API answers (ETSI GS CIM 009 clauses 4.5.9 and 4.5.19), as series of a chart.

/** Pairs of value and time, of one attribute with one datasetId. */
interface Pairs {
  datasetId?: string
  values?: [unknown, string][]
}

/** Aggregates: each value with the start and the end of its period. */
interface Periods {
  datasetId?: string
  avg?: [number | null, string, string][]
  min?: [number | null, string, string][]
  max?: [number | null, string, string][]
}

export interface Line {
  datasetId: string
  at: number[]
  value: (number | null)[]
  low?: (number | null)[]
  high?: (number | null)[]
}

export type Past = Record<string, unknown>

/** The attributes that can be drawn: numbers and switches. */
export function isNumeric(value: unknown): boolean {
  return typeof value === 'number' || typeof value === 'boolean'
}

/** The lines of an attribute from pairs of value and time, in the order of time. */
export function rawLines(past: Past, name: string): Line[] {
  return instancesOf<Pairs>(past, name).map((one) => {
    const pairs = (one.values ?? [])
      .map(([value, time]): [number | null, number] => [numberOf(value), Date.parse(time) / 1000])
      .sort((a, b) => a[1] - b[1])
    return withGaps({ datasetId: one.datasetId ?? '', at: pairs.map((pair) => pair[1]), value: pairs.map((pair) => pair[0]) })
  })
}

/** From so many values on it can be said what is usual. */
const ENOUGH = 20
/** So many times as long as usual is a silence. */
const SILENCE = 20

/** Break a line where nothing was heard for much longer than usual. */
export function withGaps(line: Line): Line {
  const steps = line.at.slice(1).map((at, index) => at - (line.at[index] ?? at))
  if (line.at.length < ENOUGH) return line
  const usual = steps.toSorted((a, b) => a - b)[steps.length >> 1] ?? 0
  if (usual <= 0) return line
  const found: Line = { datasetId: line.datasetId, at: [], value: [] }
  for (const [index, at] of line.at.entries()) {
    if ((steps[index - 1] ?? 0) > SILENCE * usual) {
      found.at.push((line.at[index - 1] ?? at) + usual)
      found.value.push(null)
    }
    found.at.push(at)
    found.value.push(line.value[index] ?? null)
  }
  return found
}

/** The most points that a line of an attribute has. */
export function pointsOf(past: Past, name: string): number {
  return Math.max(0, ...instancesOf<Pairs>(past, name).map((one) => one.values?.length ?? 0))
}

/** The lines of an attribute from aggregates: means, with the extremes as their band. */
export function aggregatedLines(past: Past, name: string, period_s: number): Line[] {
  return instancesOf<Periods>(past, name).map((one) => {
    const line: Required<Line> = { datasetId: one.datasetId ?? '', at: [], value: [], low: [], high: [] }
    for (const [index, [value, start]] of (one.avg ?? []).entries()) {
      const at = Date.parse(start) / 1000
      const last = line.at.at(-1)
      // A period without a value is a gap, not a straight line.
      if (last !== undefined && at - last > 1.5 * period_s) add(line, last + period_s, null, null, null)
      add(line, at, numberOf(value), numberOf(one.min?.[index]?.[0]), numberOf(one.max?.[index]?.[0]))
    }
    return line
  })
}

function add(line: Required<Line>, at: number, value: number | null, low: number | null, high: number | null): void {
  line.at.push(at)
  line.value.push(value)
  line.low.push(low)
  line.high.push(high)
}

function instancesOf<T>(past: Past, name: string): T[] {
  const found = past[name]
  return found === undefined ? [] : ((Array.isArray(found) ? found : [found]) as T[])
}

function numberOf(value: unknown): number | null {
  if (typeof value === 'number' && Number.isFinite(value)) return value
  if (typeof value === 'boolean') return value ? 1 : 0
  return null
}

/** One step of a forecast, as the service writes it. */
export interface ForecastStep {
  time: string
  value: number
  low: number
  high: number
}

/** The steps of a forecast within a range, as a line with its interval. */
export function forecastLine(steps: ForecastStep[], from: number, to: number): Line {
  const shown = steps
    .map((step) => ({ ...step, at: Date.parse(step.time) / 1000 }))
    .filter((step) => step.at >= from && step.at <= to)
  return {
    datasetId: '',
    at: shown.map((step) => step.at),
    value: shown.map((step) => step.value),
    low: shown.map((step) => step.low),
    high: shown.map((step) => step.high),
  }
}
