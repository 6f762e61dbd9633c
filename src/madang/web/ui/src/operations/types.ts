// What the hub answers about incidents, contacts, playbooks and commands, as its document says.
import type { Geometry } from 'geojson'

import type { components } from '../generated/openapi'

type Schemas = components['schemas']
/** Places are GeoJSON, which maps know better than the document. */
type Placed<T> = Omit<T, 'location'> & { location: Geometry | null }

/** A text in both languages; alarms of others may have one only. */
export type Words = Partial<Schemas['Words']>

export const SEVERITIES = ['informational', 'low', 'medium', 'high', 'critical'] as const
export type Severity = (typeof SEVERITIES)[number]

export const STATES = ['open', 'acknowledged', 'resolved', 'closed'] as const
export type State = (typeof STATES)[number]

export type Incident = Placed<Schemas['Incident']>
export type Ask = Schemas['Ask']
export type Step = Schemas['PlaybookStep']
export type Entry = Schemas['TimelineEntry']
export type Near = Omit<Placed<Schemas['Nearby']>, 'name'> & { name: string | Words | null }
/** Without `nearby` as the answer to a change. */
export type IncidentDetail = Placed<Schemas['IncidentWhole']> & { nearby?: Near[] }

export type Playbook = Schemas['Playbook']
/** A text that the hub has looked at. */
export type CheckedPlaybook = Schemas['PlaybookKept'] & { text?: string }

export type Channel = Schemas['ContactChannel']
/** A person, a group or a rota; a form has one of them in parts. */
export type Contact = { name: string; kind: 'person' | 'group' | 'rota'; title: string } & Partial<
  Omit<Schemas['PersonContact'] & Omit<Schemas['GroupContact'], 'kind'> & Omit<Schemas['RotaContact'], 'kind'>, 'name' | 'kind' | 'title'>
>
export type OnCall = Schemas['OnCall']

export const COMMAND_STATES = [
  'requested', 'waiting', 'sent', 'acknowledged', 'done', 'failed', 'timedOut', 'refused', 'cancelled', 'reverted',
] as const
export type CommandState = (typeof COMMAND_STATES)[number]
export type Command = Schemas['Command']

/** What a device can be told to do, by its profile. */
export interface Offer {
  name: string
  title: Words
  parameters: Record<string, unknown>
  timeout_s: number
  approvals: number
  revert: { command: string; after_s: number | null } | null
}

export interface Offers {
  device: string | null
  commands: Offer[]
}
