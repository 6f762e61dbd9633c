// What an incident is called: an alarm without a title gives its incident the word for its kind.
import { spoken, word } from '../shell/texts.svelte'
import type { Words } from './types'

export function titleIn(title: Words | undefined): string {
  return word('alarm_kind', spoken(title))
}
