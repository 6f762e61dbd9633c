// What a chart is told, and the same facts for its table and for screen readers.

export interface Series {
  label: string
  /** As people write it, such as `µg/m³`. */
  unit?: string
  /** Times in ascending order. [s since 1970] */
  at: number[]
  /** One for each time; null is a gap. */
  value: (number | null)[]
  /** Bounds of the value: extremes of a period, or an interval of a forecast. */
  low?: (number | null)[]
  high?: (number | null)[]
}

/** A number of a series at a time; undefined: it has none for that time, and the line goes on. */
export type Cell = number | null | undefined

export interface Aligned {
  at: number[]
  /** For each series its values, low and high bounds at these times. */
  columns: { value: Cell[]; low?: Cell[]; high?: Cell[] }[]
}

/** Bring series with times of their own to the times of all of them. */
export function aligned(series: Series[]): Aligned {
  const at = [...new Set(series.flatMap((one) => one.at))].sort((a, b) => a - b)
  const place = new Map(at.map((time, index) => [time, index]))
  const spread = (one: Series, values: (number | null)[]): Cell[] => {
    const cells: Cell[] = new Array<Cell>(at.length).fill(undefined)
    for (const [index, time] of one.at.entries()) cells[place.get(time) ?? 0] = sound(values[index])
    return cells
  }
  const columns = series.map((one) => ({
    value: spread(one, one.value),
    ...(one.low && one.high ? { low: spread(one, one.low), high: spread(one, one.high) } : {}),
  }))
  return { at, columns }
}

function sound(value: number | null | undefined): number | null {
  return value === undefined || value === null || !Number.isFinite(value) ? null : value
}

export interface Extent {
  min: number
  max: number
  last: number
  last_at: number
}

/** The least, greatest and last value of a series; undefined if it has none. */
export function extent(series: Series): Extent | undefined {
  let found: Extent | undefined
  for (const [index, value] of series.value.entries()) {
    if (value === null || !Number.isFinite(value)) continue
    const last_at = series.at[index] ?? 0
    found = found
      ? { min: Math.min(found.min, value), max: Math.max(found.max, value), last: value, last_at }
      : { min: value, max: value, last: value, last_at }
  }
  return found
}

/** The index of the last time that is not after `at`; -1 if all are. */
export function before(times: number[], at: number): number {
  let low = 0
  let high = times.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((times[middle] ?? 0) <= at) low = middle + 1
    else high = middle
  }
  return low - 1
}

/** Units in the order of their first series: each gets an axis. */
export function unitsOf(series: Series[]): string[] {
  return [...new Set(series.map((one) => one.unit ?? ''))]
}
