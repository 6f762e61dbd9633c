// The hub's own figures, from Prometheus' text format (/metrics).

export interface Sample {
  labels: Record<string, string>
  value: number
}

export type Figures = Map<string, Sample[]>

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g

/** What a text in the exposition format says, by name; numbers that are none are left out. */
export function figuresOf(text: string): Figures {
  const found: Figures = new Map()
  for (const line of text.split('\n')) {
    const parts = line.startsWith('#') ? null : LINE.exec(line)
    const value = Number(parts?.[3])
    if (!parts?.[1] || !Number.isFinite(value)) continue
    const labels: Record<string, string> = {}
    for (const [, name = '', content = ''] of (parts[2] ?? '').matchAll(LABEL)) labels[name] = content
    const samples = found.get(parts[1]) ?? []
    samples.push({ labels, value })
    found.set(parts[1], samples)
  }
  return found
}

/** The sum of all samples of a name; undefined if the hub does not tell it. */
export function sumOf(figures: Figures | undefined, name: string): number | undefined {
  return figures?.get(name)?.reduce((sum, one) => sum + one.value, 0)
}

export interface Reading {
  /** When it was read. [s] */
  at: number
  figures: Figures
}

/** How fast a counter grew from one reading to the next [1/s]; undefined if nothing can be said yet. */
export function rateOf(before: Reading | undefined, now: Reading, name: string): number | undefined {
  const [old, fresh] = [sumOf(before?.figures, name), sumOf(now.figures, name)]
  if (!before || old === undefined || fresh === undefined || now.at <= before.at || fresh < old) return undefined
  return (fresh - old) / (now.at - before.at)
}

/** The bound within which such a share of what a histogram counts lies; infinite beyond its last bucket. */
export function quantile(figures: Figures | undefined, name: string, share: number): number | undefined {
  const counts = new Map<number, number>()
  for (const { labels, value } of figures?.get(`${name}_bucket`) ?? []) {
    const limit = labels.le === '+Inf' ? Infinity : Number(labels.le)
    counts.set(limit, (counts.get(limit) ?? 0) + value)
  }
  const limits = [...counts.keys()].sort((a, b) => a - b)
  const all = counts.get(Infinity)
  if (!all) return undefined
  return limits.find((limit) => (counts.get(limit) ?? 0) >= share * all)
}
