// What the control room says, from the one catalogue of Madang (src/madang/web/texts).
import { filled } from './filled'
import { ROOT } from './place'

export type Language = 'ko' | 'en'

const state: { language: Language; texts: Record<string, string> } = $state({ language: 'en', texts: {} })

export async function speak(language: Language): Promise<void> {
  const answer = await fetch(`${ROOT}/ui/texts/${language}`)
  if (!answer.ok) throw new Error(`no texts: ${answer.status}`)
  const texts = (await answer.json()) as Record<string, string>
  state.texts = texts
  state.language = language
  document.documentElement.lang = language
}

/** The language of the page at present. */
export function language(): Language {
  return state.language
}

/** A text, with its values put in; a key that is not there is shown, so that it is found. */
export function t(key: string, values: Record<string, string | number> = {}): string {
  return filled(state.texts[key] ?? key, values)
}

/** Whether there is such a text: for words of the hub that may have no translation. */
export function known(key: string): boolean {
  return key in state.texts
}

/** A text if there is one, else the hub's own word: `word('status', 'silent')`. */
export function word(section: string, value: string): string {
  return state.texts[`${section}.${value}`] ?? value
}

/** All words of a section, with what the hub calls each. */
export function words(section: string): [word: string, text: string][] {
  const start = `${section}.`
  return Object.entries(state.texts).flatMap(([key, text]) => (key.startsWith(start) ? [[key.slice(start.length), text]] : []))
}

/** The one of two languages' texts that the reader understands: `{ko: …, en: …}` or a plain text. */
export function spoken(text: string | Record<string, string> | undefined | null): string {
  if (text === undefined || text === null) return ''
  if (typeof text === 'string') return text
  return text[state.language] ?? text.en ?? Object.values(text)[0] ?? ''
}
