// Words of the hub that people read: roles, tenants, actors.
import { get } from '../api/client'
import { session } from '../shell/session.svelte'
import { known, t, word, words } from '../shell/texts.svelte'
import type { Key, User } from './types'

export const PEOPLE_ROLES = ['citizen', 'operator', 'analyst', 'department', 'administrator']
export const ROLES = ['public', ...PEOPLE_ROLES, 'device', 'app']
export const KEY_KINDS = ['device', 'app', 'service', 'city']

export function tenantName(name: string): string {
  return name === '*' ? t('admin.tenants_all') : name === '' ? t('admin.tenants_own') : name
}

export function roleNames(roles: string[]): string {
  return roles.map((role) => word('admin_role', role)).join(', ')
}

/** What the audit log says was done, in words; one it has none for as the log says it. */
export function deed(action: string): string {
  const found = [`admin_deed.${action}`, `admin_action.${action}`, `admin_by.${action}`].find(known)
  return found ? t(found) : action
}

/** All that can have been done, by what the audit log calls it. */
export function deeds(): [action: string, text: string][] {
  return ['admin_deed', 'admin_action', 'admin_by'].flatMap(words)
}

/** Names of those whom ids such as `person:4f1c` stand for. */
export type Names = Map<string, string>

const SUGGESTED = 20 // accounts, and as many keys
const AT_ONCE = 200

/** Read the names that principals such as `person:4f1c` go by; who may not see them goes on with ids. */
export async function readNames(principals: Iterable<string>, signal?: AbortSignal): Promise<Names> {
  const ids = [...new Set(principals)].slice(0, AT_ONCE).map((one) => one.split(':'))
  const people = ids.flatMap(([kind, id]) => (kind === 'person' && id ? [id] : []))
  const others = ids.flatMap(([kind = '', id]) => (KEY_KINDS.includes(kind) && id ? [id] : []))
  return new Map([...ownNames(), ...(await read({ id: people.join(',') }, { id: others.join(',') }, AT_ONCE, signal))])
}

/** Some people and keys with these words in their names, for who types one. */
export async function suggestNames(words: string, signal?: AbortSignal): Promise<Names> {
  const q = words.trim()
  const own = [...ownNames()].filter(([, name]) => name.includes(q))
  return new Map([...own, ...(await read({ q }, { q }, SUGGESTED, signal))])
}

/** The principal that somebody names, by a name or by its id. */
export async function principalOf(who: string, signal?: AbortSignal): Promise<string> {
  if (!who || who.includes(':')) return who
  const found = [...(await suggestNames(who, signal))]
  return found.find(([, name]) => name.toLowerCase() === who.toLowerCase())?.[0] ?? who
}

function ownNames(): Names {
  return new Map([
    ['public', t('admin_role.public')],
    ['service:local', t('admin.this_machine')],
    ['service:open', t('admin.open')],
  ])
}

type Asked = Record<string, string>

async function read(ofUsers: Asked, ofKeys: Asked, limit: number, signal?: AbortSignal): Promise<[string, string][]> {
  if (!session.may.managePeople) return []
  // None are asked for by an empty list of ids.
  const [users, keys] = await Promise.all([
    ofUsers.id === '' ? [] : get<User[]>('/trust/users', { ...ofUsers, limit }, signal),
    ofKeys.id === '' ? [] : get<Key[]>('/trust/keys', { ...ofKeys, limit, revoked: true }, signal),
  ])
  return [
    ...users.map((user): [string, string] => [`person:${user.id}`, user.login]),
    ...keys.map((key): [string, string] => [`${key.kind}:${key.id}`, key.name]),
  ]
}
