// What is wrong, in the reader's language: a sentence for the kind of problem, and the hub's own words.
import { Problem } from '../api/client'
import { known, language, t } from '../shell/texts.svelte'

/** The language in which the hub explains itself. */
export const HUB = 'en'

/** A sentence for the kind of a problem. */
export function kindOf({ status, kind }: Problem): string {
  const key = [`trouble.is_${status}`, `trouble.is_${kind}`].find(known)
  return t(key ?? 'trouble.is_other')
}

/** Why something failed, in one line; who reads the hub's language needs only its words. */
export function whyOf(error: unknown): string {
  if (!(error instanceof Problem)) return String(error)
  const { detail } = error
  if (!detail) return kindOf(error)
  return language() === HUB ? detail : t('trouble.with_detail', { kind: kindOf(error), detail })
}
