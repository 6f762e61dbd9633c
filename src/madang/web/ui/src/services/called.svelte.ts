// What services are called, read when the first of them is named.
import { get } from '../api/client'
import { spoken } from '../shell/texts.svelte'
import type { Catalogue } from './types'

const state: { titles: Record<string, Record<string, string>> } = $state({ titles: {} })
let isAsked = false

async function read(): Promise<void> {
  try {
    const { categories } = await get<Catalogue>('/catalogue/services')
    state.titles = Object.fromEntries(categories.flatMap((one) => one.services).map((one) => [one.name, one.title]))
  } catch {
    isAsked = false // with the next view; until then their names do
  }
}

/** The title of a service in the reader's language; its name until that is known, or if there is none. */
export function called(name: string): string {
  if (!isAsked) {
    isAsked = true
    void read()
  }
  return spoken(state.titles[name]) || name
}
