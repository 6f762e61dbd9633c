// What the hub tells about people, keys, policies, the audit log and one's own data.
import type { components } from '../generated/openapi'

type Schemas = components['schemas']

export type User = Schemas['User']
export type Me = Schemas['Me']
/** `current`: among one's own, the one that asks. */
export type Session = Schemas['SignedIn'] & { current?: boolean }
/** `link` is only in the answer that makes it. */
export type Invitation = Schemas['Invitation'] & { link?: string }
/** `key` is only in the answer that makes or rotates it. */
export type Key = Schemas['Key'] & { key?: string }
export type Token = Schemas['Tokens']

export type Policy = Omit<Schemas['Policy'], 'effect'> & { effect: 'permit' | 'forbid' }
export type PolicyFile = Schemas['PolicyFile']
export type Decision = Schemas['Explanation']['decision']
export type Explanation = Omit<Schemas['Explanation'], 'policies'> & { policies: Policy[] }
/** What each role may do, by role and action. */
export type Roles = Record<string, Record<string, Decision>>
export type Mark = Schemas['Mark']
export type PublicData = Schemas['PublicData']
export type Purpose = Schemas['Purpose']

type Told = Schemas['AuditRecord']
/** A record as it is shown; only one asked for as text lacks these. */
export type AuditRecord = Told & Required<Pick<Told, 'time' | 'kind' | 'actor' | 'action' | 'outcome' | 'previous'>>
export type AuditPage = Omit<Schemas['AuditPage'], 'records'> & { records: AuditRecord[] }
export type AuditProof = Schemas['AuditProof']

export type Consent = Schemas['Consent']
export type Consents = Schemas['Consents']
export type Read = Schemas['Read']
export type Reads = Schemas['Reads']
/** What a law keeps is told with the law. */
export type Erasure = Omit<Schemas['Erasure'], 'kept'> & {
  kept: { what?: string; id?: string; attribute?: string; law: string | Record<string, string> }[]
}
