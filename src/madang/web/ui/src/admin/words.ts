// Words of the hub that people read: roles, tenants, actors.
import { get, page } from '../api/client'
import { t, word } from '../shell/texts.svelte'
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

/** Names of those whom ids such as `person:4f1c` stand for. */
export type Names = Map<string, string>

const MOST = 1000

/** Read the names of people and keys; who may not see them goes on with ids. */
export async function readNames(signal: AbortSignal, mayManage: boolean): Promise<Names> {
  const found: Names = new Map([
    ['public', t('admin_role.public')],
    ['service:local', t('admin.this_machine')],
    ['service:open', t('admin.open')],
  ])
  if (!mayManage) return found
  const [users, keys] = await Promise.all([
    get<User[]>('/trust/users', { limit: MOST }, signal),
    get<Key[]>('/trust/keys', { limit: MOST, revoked: true }, signal),
  ])
  for (const user of users) found.set(`person:${user.id}`, user.login)
  for (const key of keys) found.set(`${key.kind}:${key.id}`, key.name)
  return found
}

/** Accounts, with how many there are in all. */
export function readUsers(words: string, signal: AbortSignal): Promise<{ body: User[]; count: number | undefined }> {
  return page<User[]>('/trust/users', { q: words, limit: MOST }, signal)
}
