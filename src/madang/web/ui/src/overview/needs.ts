// What needs somebody now, out of what the hub tells of the city. Pure.

export interface Need {
  /** Key of its name in the section `overview_need` of the texts. */
  key: string
  /** undefined: the hub did not say. */
  count: number | undefined
  path: string
  parameters?: Record<string, string>
  kind: 'bad' | 'warn'
}

/** Those that need somebody first, the gravest of them first; the order within stays. */
export function byNeed(needs: Need[]): Need[] {
  return needs.toSorted((a, b) => weight(b) - weight(a))
}

function weight({ count, kind }: Need): number {
  if (!count) return count === undefined ? 1 : 0
  return kind === 'bad' ? 3 : 2
}

export interface Pulse {
  position: number
  at: string
}

/** Changes a second between two pulses; undefined if no time went by, or the hub began anew. */
export function rate(before: Pulse, after: Pulse): number | undefined {
  const seconds = (Date.parse(after.at) - Date.parse(before.at)) / 1000
  return seconds > 0 && after.position >= before.position ? (after.position - before.position) / seconds : undefined
}

export interface FeedState {
  on: boolean
  alarm: boolean
  trouble: string | null
}

export function failingFeeds(feeds: FeedState[]): number {
  return feeds.filter((feed) => feed.on && (feed.alarm || feed.trouble !== null)).length
}

export interface ServiceState {
  state: string
  alarm: unknown
}

export function failingServices(services: ServiceState[]): number {
  return services.filter((service) => service.state === 'failed' || Boolean(service.alarm)).length
}
