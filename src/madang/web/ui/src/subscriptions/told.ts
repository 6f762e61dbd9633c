// Subscriptions in the words of people: how one stands, what it is about, how its endpoint fares. Pure.
import type { Fares, Subscription } from './types.ts'

export type State = 'failing' | 'orphaned' | 'paused' | 'expired' | 'active'

/** How a subscription stands; `orphaned` is one that the hub has paused because its owner is gone. */
export function stateOf(one: Subscription): State {
  if (one.status === 'paused') return one.statusReason === undefined ? 'paused' : 'orphaned'
  if (one.status === 'expired') return 'expired'
  return one.notification.status === 'failed' ? 'failing' : 'active'
}

const KINDS: Record<State, 'bad' | 'warn' | 'quiet' | 'good'> = { failing: 'bad', orphaned: 'warn', paused: 'warn', expired: 'quiet', active: 'good' }

/** The colour that repeats what a state says. */
export function kindOf(state: State): 'bad' | 'warn' | 'quiet' | 'good' {
  return KINDS[state]
}

/** Place of a state in a list that begins with what needs somebody. */
export function rankOf(state: State): number {
  return Object.keys(KINDS).indexOf(state)
}

export function nameOf(one: Subscription): string {
  return one.subscriptionName || one.description || one.id
}

/** The last part of a name that is an address: of a vocabulary of its own. */
export function shortName(name: string): string {
  return name.includes('://') ? (name.split(/[/#]/).filter(Boolean).at(-1) ?? name) : name
}

/** The types that it names, each once; none if it is about all. */
export function typesOf(one: Subscription): string[] {
  return [...new Set((one.entities ?? []).map((selector) => shortName(selector.type)))]
}

const BUS = 'nats:bus'

/** Where it goes: scheme and host; empty if that is the city's own NATS. */
export function hostOf(uri: string): string {
  if (uri === BUS) return ''
  try {
    const { protocol, host } = new URL(uri)
    return `${protocol}//${host}`
  } catch {
    return uri
  }
}

/** The whole address, without the password that may be in it. */
export function addressOf(uri: string): string {
  try {
    const found = new URL(uri)
    if (!found.password) return uri
    found.password = '***'
    return found.href
  } catch {
    return uri
  }
}

/** A text cut to what fits beside others. */
export function cut(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text
}

/** A condition of place in one line, such as `near;maxDistance==1000 · Point [126.97,37.57]`. */
export function placeOf(geo: NonNullable<Subscription['geoQ']>): string {
  const coordinates = typeof geo.coordinates === 'string' ? geo.coordinates : JSON.stringify(geo.coordinates)
  return [geo.georel, `${geo.geometry} ${cut(coordinates, 200)}`, geo.geoproperty].filter(Boolean).join(' · ')
}

/** How many notifications have not been delivered, those that were refused as well. */
export function waitingOf({ endpoint }: Fares): number {
  return endpoint.waiting + (endpoint.refused ?? 0)
}

/** How an endpoint fares, by the end of a key of the catalogue: `fares_…`. */
export type Word =
  'expired' | 'orphaned' | 'paused' | 'failing' | 'trying' | 'refusing' | 'later' | 'sending' | 'answers' | 'elsewhere' | 'ended' | 'new' | 'well'

/** How an endpoint fares. */
export function wordOf(one: Subscription, { endpoint }: Fares): Word {
  const state = stateOf(one)
  if (state === 'expired' || state === 'orphaned' || state === 'paused') return state
  if (endpoint.state === 'half-open') return 'trying'
  // When the next attempt is, only that hub of the city knows that sends.
  if (endpoint.state === 'open' && !endpoint.nextAttempt) return 'elsewhere'
  if (endpoint.state === 'open') return endpoint.failures ? 'failing' : endpoint.error ? 'refusing' : 'later'
  if (endpoint.waiting) return 'sending'
  if (endpoint.refused) return 'answers'
  if (state === 'failing') return 'ended'
  return one.notification.timesSent ? 'well' : 'new'
}

/** Whether a word says that something is wrong. */
export function isBad(word: Word): boolean {
  return ['failing', 'trying', 'refusing', 'answers', 'elsewhere', 'ended'].includes(word)
}

/** How long it is until then, as people say it: "in 40 seconds". `now` [ms since 1970] */
export function untilThen(at: string, now: number, language: string): string {
  const seconds = Math.max(0, Math.round((Date.parse(at) - now) / 1000))
  const [amount, unit] = seconds < 100 ? ([seconds, 'second'] as const) : ([Math.round(seconds / 60), 'minute'] as const)
  return new Intl.RelativeTimeFormat(language, { numeric: 'auto' }).format(amount, unit)
}

export interface Wish {
  name: string
  type: string
  watched: string[]
  uri: string
  /** [s], empty if each change is to be told. */
  throttling: string
}

/** The subscription that a form asks for. */
export function bodyOf(wish: Wish): Record<string, unknown> {
  return {
    type: 'Subscription',
    subscriptionName: wish.name.trim(),
    entities: [{ type: wish.type }],
    ...(wish.watched.length ? { watchedAttributes: wish.watched } : {}),
    ...(wish.throttling.trim() ? { throttling: Number(wish.throttling) } : {}),
    notification: { endpoint: { uri: wish.uri.trim() } },
  }
}

/** The field of the form that the hub speaks of; empty if it is the whole. */
export function fieldOf(detail: string): '' | 'uri' | 'throttling' {
  if (detail.startsWith('notification.endpoint')) return 'uri'
  return detail.startsWith('throttling') ? 'throttling' : ''
}
