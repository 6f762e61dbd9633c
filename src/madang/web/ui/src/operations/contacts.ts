// Contacts as their form has them and as the hub keeps them. Pure.
import type { Channel, Contact } from './types.ts'

export const CHANNELS = ['email', 'sms', 'webhook', 'cap', 'mqtt', 'push'] as const

/** What a channel is reached by, for those that are typed in; a browser subscribes by itself. */
export const ADDRESS = { email: 'address', sms: 'number', webhook: 'url', cap: 'url', mqtt: 'url' } as const

export function titleOf(contact: Contact): string {
  return contact.title || contact.name
}

/** An agency is a person that is told by CAP and answers. */
export function isAgency(contact: Contact): boolean {
  return contact.channels?.some((one) => one.kind === 'cap') ?? false
}

export function sortOf(contact: Contact): 'person' | 'group' | 'rota' | 'agency' {
  return isAgency(contact) ? 'agency' : contact.kind
}

export function addressOf(channel: Channel): string {
  return channel.kind === 'push' ? hostOf(channel.endpoint ?? '') : (channel[ADDRESS[channel.kind]] ?? '')
}

function hostOf(url: string): string {
  return /^https?:\/\/([^/]+)/.exec(url)?.[1] ?? url
}

export function empty(kind: Contact['kind'], zone: string, start: string): Contact {
  if (kind === 'person') return { name: '', kind, title: '', language: 'ko', channels: [{ kind: 'email', address: '', urgent_only: false }] }
  if (kind === 'group') return { name: '', kind, title: '', members: [] }
  return { name: '', kind, title: '', time_zone: zone, people: [], start, turn_hours: 12, overrides: [] }
}

/** What is sent to keep a contact: all but its name, which its address has. */
export function kept(contact: Contact): Omit<Contact, 'name'> {
  const { name: _, ...body } = contact
  return body
}

/** Who may be in a group or rota: everybody but itself. */
export function candidates(all: Contact[], name: string, kind: Contact['kind']): Contact[] {
  return all.filter((one) => one.name !== name && (kind === 'group' || one.kind !== 'rota'))
}

/** A name for a contact from what people call it: `Kim Jin` → `kim-jin`. */
export function nameFrom(title: string): string {
  const plain = title.toLowerCase().replace(/[^a-z0-9]+/g, '-')
  return plain.replace(/^-+|-+$/g, '').slice(0, 40)
}
