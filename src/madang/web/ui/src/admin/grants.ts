// Lists in forms, tenants as people say them, and where a policy's words are.

/** The items of a text with commas or line breaks between. */
export function listed(text: string): string[] {
  return [...new Set(text.split(/[,\n]/).map((one) => one.trim()).filter(Boolean))]
}

/** Tenants of a form: all of them, the default one, others by name. */
export interface TenantChoice {
  all: boolean
  own: boolean
  others: string
}

export function choiceOf(tenants: string[]): TenantChoice {
  return {
    all: tenants.includes('*'),
    own: tenants.includes(''),
    others: tenants.filter((one) => one !== '' && one !== '*').join(', '),
  }
}

export function tenantsOf(choice: TenantChoice): string[] {
  return choice.all ? ['*'] : [...(choice.own ? [''] : []), ...listed(choice.others)]
}

/** What a policy says of itself: the comment above it, as one text. */
export function sentenceOf(policy: string): string {
  const lines = policy.split('\n')
  const end = lines.findIndex((line) => !line.startsWith('//'))
  return lines.slice(0, end < 0 ? undefined : end).map((line) => line.replace(/^\/\/ ?/, '')).join(' ').trim()
}

/** A policy without the comment above it. */
export function codeOf(policy: string): string {
  const lines = policy.split('\n')
  return lines.slice(lines.findIndex((line) => !line.startsWith('//'))).join('\n')
}

/** Whether a policy is about somebody with this role, or about everybody. */
export function concerns(policy: string, role: string): boolean {
  const named = [...policy.matchAll(/Madang::Role::"(\w+)"/g)].map((found) => found[1])
  return named.length ? named.includes(role) : !/Madang::Principal::"/.test(policy)
}

/** The line that the hub complains about; 0 if it names none. */
export function lineOf(problem: string): number {
  return Number(/\bline (\d+)/.exec(problem)?.[1] ?? 0)
}

/** What is left of a list of names once their full IRIs are put aside; all if there are only such. */
export function shortNames(names: string[]): string[] {
  const short = names.filter((name) => !name.includes('://'))
  return short.length ? short : names
}

/** The instant of a date that a person chose: its end, by their own clock. */
export function endOf(date: string): string | undefined {
  return date ? new Date(`${date}T23:59:59`).toISOString() : undefined
}

/** A line for a terminal that tries a key. */
export function curlOf(origin: string, key: { kind: string; reads: string[]; entities: string[]; key?: string }): string {
  const type = key.reads.find((one) => one !== '*')
  const entity = key.entities[0]
  const path = key.kind === 'device' && entity ? `/entities/${entity}` : type ? `/entities?type=${type}` : '/types'
  return `curl -H 'Authorization: Bearer ${key.key ?? ''}' '${origin}/ngsi-ld/v1${path}'`
}
