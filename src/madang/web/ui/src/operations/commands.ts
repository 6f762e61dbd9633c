// Commands as operators see them: groups of states, what one may do, the life of one. Pure.
import type { Command, CommandState } from './types.ts'

export type Group = 'waiting' | 'running' | 'done' | 'failed'

const GROUPS: Record<CommandState, Group> = {
  waiting: 'waiting',
  requested: 'running',
  sent: 'running',
  acknowledged: 'running',
  done: 'done',
  reverted: 'done',
  failed: 'failed',
  timedOut: 'failed',
  refused: 'failed',
  cancelled: 'failed',
}

export function groupOf(status: CommandState): Group {
  return GROUPS[status] ?? 'running'
}

const KINDS: Record<CommandState, 'good' | 'bad' | 'warn' | 'info' | 'quiet'> = {
  waiting: 'warn',
  requested: 'info',
  sent: 'info',
  acknowledged: 'info',
  done: 'good',
  reverted: 'quiet',
  failed: 'bad',
  timedOut: 'bad',
  refused: 'quiet',
  cancelled: 'quiet',
}

export function kindOf(status: CommandState): 'good' | 'bad' | 'warn' | 'info' | 'quiet' {
  return KINDS[status] ?? 'info'
}

export interface May {
  approve: boolean
  refuse: boolean
  cancel: boolean
  revert: boolean
  /** Why not, where one might expect to: `own` asked for it, `agreed` has approved already. */
  why: '' | 'own' | 'agreed'
}

/**
 * What somebody may do to a command at present, as the hub will decide.
 *
 * Args: `me` is the id of who asks; `canCommand` that their role may command at all.
 */
export function mayDo(command: Command, me: string, canCommand: boolean): May {
  const isBefore = command.status === 'requested' || command.status === 'waiting'
  const isOwn = command.requestedBy === me
  const hasAgreed = command.approvedBy.includes(me)
  const isWaiting = command.status === 'waiting'
  const mayHaveActed = ['sent', 'acknowledged', 'done'].includes(command.status) || (command.status === 'timedOut' && command.sentAt !== undefined)
  return {
    approve: canCommand && isWaiting && !isOwn && !hasAgreed,
    refuse: canCommand && isWaiting && !isOwn,
    cancel: canCommand && isBefore && (isOwn || !isWaiting),
    revert: canCommand && mayHaveActed && !command.reverts && !command.dryRun && !command.revertedBy,
    why: !isWaiting ? '' : isOwn ? 'own' : hasAgreed ? 'agreed' : '',
  }
}

export interface Moment {
  /** DateTime; empty if nobody knows. */
  at: string
  what: CommandState | 'approved' | 'willRevert' | 'revertAsked'
  who?: string
  /** Not yet: it will be so. */
  isAhead?: boolean
}

/** Values with their times, as `format=temporalValues` gives them. */
export type History = Record<string, { values?: [unknown, string][] } | unknown>

/** All that happened to a command, the first thing first. */
export function lifeOf(command: Command, history: History = {}, now_ms = Date.now()): Moment[] {
  const found = statesOf(command, history)
  for (const [index, who] of command.approvedBy.entries()) {
    found.push({ at: approvedAt(history, who) ?? (index === 0 ? (command.requestedAt ?? '') : ''), what: 'approved', who })
  }
  if (command.revertedBy && command.revertAt) found.push({ at: command.revertAt, what: 'revertAsked', who: command.revertedBy })
  else if (command.revertDue && command.revertAt) {
    found.push({ at: command.revertAt, what: 'willRevert', isAhead: Date.parse(command.revertAt) > now_ms })
  }
  return found.toSorted((a, b) => (Date.parse(a.at) || 0) - (Date.parse(b.at) || 0))
}

function statesOf(command: Command, history: History): Moment[] {
  const told = valuesOf(history.status)
  const states = told.length ? told : instantsOf(command)
  const found: Moment[] = states.map(([what, at]) => ({ at, what: what as CommandState }))
  const first = found.find((one) => one.what === 'requested')
  if (first) first.who = command.requestedBy
  const last = found.findLast((one) => one.what === command.status)
  if (last && command.endedBy) last.who = command.endedBy
  return found
}

/** What the command itself tells, if its history cannot be read. */
function instantsOf(command: Command): [string, string][] {
  const found: [string, string | undefined][] = [
    ['requested', command.requestedAt],
    ['sent', command.sentAt],
    ['acknowledged', command.acknowledgedAt],
    [command.status, command.endedAt],
  ]
  if (!found.some(([what]) => what === command.status)) found.push([command.status, command.requestedAt])
  return found.filter((one): one is [string, string] => one[1] !== undefined)
}

function approvedAt(history: History, who: string): string | undefined {
  return valuesOf(history.approvedBy).find(([value]) => (Array.isArray(value) ? value : [value]).includes(who))?.[1]
}

function valuesOf(attribute: unknown): [unknown, string][] {
  const values = (attribute as { values?: [unknown, string][] } | undefined)?.values ?? []
  return values.toSorted((a, b) => Date.parse(a[1]) - Date.parse(b[1]))
}

export interface Limit {
  name: string
  given: unknown
  least: number | undefined
  most: number | undefined
  choices: string[]
  isNeeded: boolean
  text: string
}

/** The parameters of a command beside what its JSON Schema allows. */
export function limitsOf(parameters: Record<string, unknown>, schema: unknown): Limit[] {
  const { properties, required } = (schema ?? {}) as { properties?: Record<string, Schema>; required?: string[] }
  const names = [...new Set([...Object.keys(properties ?? {}), ...Object.keys(parameters)])]
  return names.map((name) => {
    const one = properties?.[name] ?? {}
    return {
      name,
      given: parameters[name],
      least: one.minimum ?? one.exclusiveMinimum,
      most: one.maximum ?? one.exclusiveMaximum,
      choices: (one.enum ?? []).map(String),
      isNeeded: required?.includes(name) ?? false,
      text: one.title ?? one.description ?? '',
    }
  })
}

interface Schema {
  title?: string
  description?: string
  minimum?: number
  maximum?: number
  exclusiveMinimum?: number
  exclusiveMaximum?: number
  enum?: unknown[]
}

/** The end of the id of a command, which its address has. */
export function shortCommand(id: string): string {
  return id.replace('urn:ngsi-ld:Command:', '')
}

/** Parameters as one line: `level 0.3, colour "red"`. */
export function inShort(parameters: Record<string, unknown>): string {
  return Object.entries(parameters)
    .map(([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(', ')
}
