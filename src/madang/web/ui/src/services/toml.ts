// Rules as TOML 1.0, in the order in which people read them: what, when, what is done.

type Values = Record<string, unknown>

const ORDER = [
  'title', 'on', 'type', 'attribute', 'ids', 'above', 'below', 'back', 'is', 'is_not', 'rises', 'falls', 'changes', 'within',
  'silent', 'for', 'together', 'hours', 'days', 'area', 'near', 'inside',
]
/** What is done stands in tables of its own. */
const TABLES = ['alert', 'notify', 'command', 'set']
const BARE = /^[A-Za-z0-9_-]+$/

/** A rule as the file that `madang rule put` takes. */
export function ruleToml(name: string, rule: Values): string {
  const plain = sorted(Object.keys(rule).filter((key) => !(TABLES.includes(key) && isTable(rule[key]))))
  const lines = [`[${key(name)}]`, ...pairs(rule, plain)]
  for (const table of TABLES) {
    const content = rule[table]
    if (!isTable(content)) continue
    lines.push('', `[${key(name)}.${table}]`, ...pairs(content, Object.keys(content)))
  }
  return `${lines.join('\n')}\n`
}

function sorted(keys: string[]): string[] {
  const place = (one: string): number => (ORDER.includes(one) ? ORDER.indexOf(one) : ORDER.length)
  return keys.toSorted((a, b) => place(a) - place(b))
}

function pairs(values: Values, keys: string[]): string[] {
  // TOML has no null: what is nothing is left out.
  return keys.filter((one) => values[one] !== undefined && values[one] !== null).map((one) => `${key(one)} = ${toml(values[one])}`)
}

function isTable(value: unknown): value is Values {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function key(name: string): string {
  return BARE.test(name) ? name : toml(name)
}

/** A value in one line. */
export function toml(value: unknown): string {
  if (typeof value === 'string') return text(value)
  if (typeof value === 'number') return number(value)
  if (typeof value === 'boolean') return String(value)
  if (Array.isArray(value)) return `[${value.map(toml).join(', ')}]`
  if (isTable(value)) return `{${pairs(value, Object.keys(value)).join(', ')}}`
  return '""'
}

// The escapes of JSON are all known to TOML; besides, it wants DEL escaped and no half of a pair.
function text(value: string): string {
  return JSON.stringify(value.replace(/\p{Surrogate}/gu, '\uFFFD')).replaceAll('\x7f', '\\u007F')
}

function number(value: number): string {
  if (Number.isNaN(value)) return 'nan'
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf'
  return Object.is(value, -0) ? '-0.0' : String(value)
}
