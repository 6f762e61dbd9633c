// Words of trials that several of their views say.
import { t } from '../shell/texts.svelte'
import type { Trial } from './types'

export function kindOf(state: Trial['state']): 'good' | 'bad' | 'info' | 'quiet' {
  if (state === 'done') return 'good'
  return state === 'failed' ? 'bad' : state === 'cancelled' ? 'quiet' : 'info'
}

/** A policy by its title; that of the city without one has no language of its own. */
export function titleOf(policy: Trial['policies'][number] | undefined): string {
  if (!policy) return ''
  return policy.measures.length || policy.title !== 'as it is' ? policy.title : t('twin.as_is')
}

/** How signals are controlled where a trial begins. */
export function controlOf(start: Trial['start']): string {
  return t(`twin.signals_${start.control}_now`)
}

/** What a trial or a branch begins from. */
export function startOf(start: Trial['start']): string {
  return t(`twin.start_${start.kind}`, { time: start.time, at: start.at ? new Date(start.at).toLocaleString() : '' })
}
