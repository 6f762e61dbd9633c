// Questions to the audit log: what a form says as parameters, and all pages of an answer.

export const KINDS = [
  'signIn', 'signOut', 'denial', 'account', 'key', 'token', 'policy', 'consent', 'write', 'personalRead', 'export', 'erasure', 'command',
]
export const TEXTS = ['actor', 'kind', 'action', 'target', 'subject', 'tenant'] as const

export type Asked = Record<string, string | number | undefined>

/** An instant as `<input type="datetime-local">` gives it, by the clock of the reader, in UTC. */
export function instantOf(local: string): string {
  const at = local ? new Date(local) : undefined
  return at && !Number.isNaN(at.getTime()) ? at.toISOString() : ''
}

/** The parameters of a search, from those of the address. */
export function askedOf(query: (name: string) => string): Asked {
  const found: Asked = {}
  for (const name of TEXTS) if (query(name)) found[name] = query(name)
  for (const name of ['since', 'until']) if (query(name)) found[name] = instantOf(query(name))
  if (query('before')) found.before = query('before')
  return found
}

interface Answered<Row> {
  records: Row[]
  next?: { before?: number }
}

/** All records of a search as lines of JSON, the newest first; `told` hears how many there are so far. */
export async function linesOf<Row>(
  ask: (before: number | undefined) => Promise<Answered<Row>>,
  told: (count: number) => void,
): Promise<string[]> {
  const lines: string[] = []
  let before: number | undefined
  do {
    const page = await ask(before)
    for (const record of page.records) lines.push(`${JSON.stringify(record)}\n`)
    told(lines.length)
    before = page.next?.before
  } while (before !== undefined)
  return lines
}
