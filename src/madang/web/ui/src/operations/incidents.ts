// Incidents as operators sort and read them. Pure: no clock, no page.
import { rank } from './alarms.ts'
import { STATES, type Entry, type Incident, type IncidentDetail, type State, type Step, type Words } from './types.ts'

export interface Filter {
  /** One of the states, `active` (all but closed) or empty for all. */
  status: string
  severity: string
  owner: string
  words: string
}

/** Open ones first, the gravest of them first, then the newest. */
export function byUrgency(one: Incident, other: Incident): number {
  return (
    STATES.indexOf(one.status) - STATES.indexOf(other.status) ||
    rank(other.severity) - rank(one.severity) ||
    Date.parse(other.startedAt) - Date.parse(one.startedAt)
  )
}

export function fits(incident: Incident, filter: Filter, told: (words: string | Words | null) => string): boolean {
  if (filter.status === 'active' ? incident.status === 'closed' : filter.status && incident.status !== filter.status) return false
  if (filter.severity && rank(incident.severity) < rank(filter.severity as Incident['severity'])) return false
  if (filter.owner === '-' ? incident.owner : filter.owner && incident.owner !== filter.owner) return false
  if (!filter.words) return true
  const text = [told(incident.title), told(incident.text), incident.number, incident.category, incident.kind, told(incident.area), incident.owner]
  return text.join(' ').toLowerCase().includes(filter.words.toLowerCase())
}

export function isUnderWay(status: State): boolean {
  return status === 'open' || status === 'acknowledged'
}

export type StepState = 'done' | 'overdue' | 'due' | 'open'

/** How a step is; `due` means that its time is not over yet. */
export function stepState(step: Step, now_ms: number): StepState {
  if (step.done) return 'done'
  if (step.overdue || (step.due && Date.parse(step.due) < now_ms)) return 'overdue'
  return step.due ? 'due' : 'open'
}

/** What a person has answered to a step, as the hub wants it; undefined if nothing is said yet. */
export function answered(step: Step, given: string): string | number | boolean | undefined {
  const text = given.trim()
  if (!step.ask || !text) return undefined
  if (step.ask.kind === 'number') return Number.isFinite(Number(text)) ? Number(text) : undefined
  if (step.ask.kind === 'yesNo') return text === 'yes'
  return text
}

/** The newest first; what happened at one instant stays in its order. */
export function newestFirst(entries: Entry[]): Entry[] {
  return entries.toReversed()
}

/** What everybody reads: never people, places as coordinates, or notes that are not public. */
export function publicView(incident: IncidentDetail): { title: Words; notes: Entry[] } {
  return {
    title: incident.publicTitle ?? incident.title,
    notes: incident.timeline.filter((one) => one.what === 'note' && one.public),
  }
}

/** What the next shift must know of an incident, in short. */
export interface Brief {
  incident: IncidentDetail
  undone: Step[]
  /** Agencies that have been asked and have not come to an end. */
  waiting: [string, string][]
  last: IncidentDetail['handOver'][number] | undefined
  notes: Entry[]
}

const NOTES_TOLD = 3

export function briefOf(incident: IncidentDetail): Brief {
  return {
    incident,
    undone: incident.steps.filter((step) => !step.done),
    waiting: Object.entries(incident.agencies)
      .filter(([, one]) => !['done', 'refused'].includes(one.state))
      .map(([name, one]) => [name, one.state]),
    last: incident.handOver.at(-1),
    notes: incident.timeline.filter((one) => one.what === 'note').slice(-NOTES_TOLD),
  }
}

/** Longitude and latitude from two fields; undefined if they are no place on earth. */
export function point(longitude: string, latitude: string): [number, number] | undefined {
  if (!longitude.trim() || !latitude.trim()) return undefined
  const [lon, lat] = [Number(longitude), Number(latitude)]
  const isPlace = Number.isFinite(lon) && Number.isFinite(lat) && Math.abs(lon) <= 180 && Math.abs(lat) <= 90
  return isPlace ? [lon, lat] : undefined
}

/** The colour of a status. */
export function statusKind(status: State): 'bad' | 'warn' | 'good' | 'quiet' {
  return ({ open: 'bad', acknowledged: 'warn', resolved: 'good', closed: 'quiet' } as const)[status]
}
