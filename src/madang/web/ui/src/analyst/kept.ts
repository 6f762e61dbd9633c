// The last questions, in this browser.
const KEY = 'madang.queries'
const MOST = 10

export interface Kept {
  /** Parameters of the address that bring the question back. */
  parameters: Record<string, string>
  /** One line for the list. */
  title: string
}

/** A list with a question at its top, without the same one further down. */
export function withNewest(kept: Kept[], newest: Kept): Kept[] {
  const same = JSON.stringify(newest.parameters)
  return [newest, ...kept.filter((one) => JSON.stringify(one.parameters) !== same)].slice(0, MOST)
}

export function readKept(): Kept[] {
  try {
    const found = JSON.parse(localStorage.getItem(KEY) ?? '[]') as Kept[]
    return Array.isArray(found) ? found.filter((one) => typeof one.title === 'string' && typeof one.parameters === 'object') : []
  } catch {
    return []
  }
}

export function keep(newest: Kept): Kept[] {
  const found = withNewest(readKept(), newest)
  try {
    localStorage.setItem(KEY, JSON.stringify(found))
  } catch {
    // A full or forbidden store only means that nothing is remembered.
  }
  return found
}
