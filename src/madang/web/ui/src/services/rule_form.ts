// A rule as a form: which condition it has, and what its fields say. The rule itself is the state.

export type Rule = Record<string, unknown>

/** The conditions of docs/reference/rules.md; `place` is being somewhere, and nothing else. */
export const CONDITIONS = ['above', 'below', 'is', 'is_not', 'rises', 'falls', 'changes', 'silent', 'place'] as const
export type Condition = (typeof CONDITIONS)[number]
const PLACES = ['area', 'near', 'inside'] as const
export const DEEDS = ['alert', 'notify', 'command', 'set'] as const
export type Deed = (typeof DEEDS)[number]
const RATES: readonly string[] = ['rises', 'falls', 'changes']

export function conditionOf(rule: Rule): Condition | '' {
  const found = CONDITIONS.find((name) => name !== 'place' && rule[name] !== undefined)
  if (found) return found
  return PLACES.some((name) => rule[name] !== undefined) ? 'place' : ''
}

/** The rule with another condition; what does not go with it is taken away. */
export function withCondition(rule: Rule, condition: Condition): Rule {
  const { above, below, is, is_not, rises, falls, changes, silent, back, within, ...rest } = rule
  const was = [above, below, rises, falls, changes].find((value) => typeof value === 'number')
  const number = typeof was === 'number' ? was : 0
  if (condition === 'place') return without({ ...rest, near: rest.near ?? { point: [126.978, 37.566], metres: 500 } }, 'attribute')
  if (condition === 'silent') return without({ ...rest, silent: silent ?? '2h' }, 'for')
  if (condition === 'is' || condition === 'is_not') return { ...rest, [condition]: is ?? is_not ?? '' }
  if (RATES.includes(condition)) return { ...rest, [condition]: Math.abs(number) || 1, within: within ?? '10m' }
  return { ...rest, [condition]: number }
}

function without(rule: Rule, name: string): Rule {
  const { [name]: _gone, ...rest } = rule
  return rest
}

/** The rule with a field set; an empty text or undefined takes it away. */
export function withField(rule: Rule, name: string, value: unknown): Rule {
  return value === undefined || value === '' ? without(rule, name) : { ...rule, [name]: value }
}

/** A field of a table of the rule, such as that of what is done. */
export function withPart(rule: Rule, table: string, name: string, value: unknown): Rule {
  return { ...rule, [table]: withField((rule[table] ?? {}) as Rule, name, value) }
}

const DEFAULTS: Record<Deed, Rule> = {
  alert: { severity: 'medium' }, notify: { to: '' }, command: { name: '' }, set: { attribute: '', value: '' },
}

export function withDeed(rule: Rule, deed: Deed, isWanted: boolean): Rule {
  return isWanted ? { ...rule, [deed]: rule[deed] ?? DEFAULTS[deed] } : without(rule, deed)
}

/** A number that was typed; undefined if it is none. */
export function numberOf(text: string): number | undefined {
  return text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : undefined
}

/** A value as it is typed: `true`, `12`, or a text; a text that looks otherwise stands in quotes. */
export function plainOf(text: string): unknown {
  const whole = text.trim()
  if (whole === 'true' || whole === 'false') return whole === 'true'
  if (/^".*"$/.test(whole)) return whole.slice(1, -1)
  return numberOf(whole) ?? whole
}

export function plainText(value: unknown): string {
  if (typeof value !== 'string') return value === undefined || value === null ? '' : String(value)
  return plainOf(value) === value ? value : `"${value}"`
}

/** One value, or a list of them with commas. */
export function plainsOf(text: string): unknown {
  const found = text.split(',').map((one) => one.trim()).filter(Boolean).map(plainOf)
  return found.length > 1 ? found : (found[0] ?? '')
}

export function plainsText(value: unknown): string {
  return [value].flat().map(plainText).join(', ')
}

/** A title in one language; a rule may have one for both. */
export function titleIn(value: unknown, language: 'en' | 'ko'): string {
  if (typeof value === 'string') return value
  const both = (value ?? {}) as Partial<Record<'en' | 'ko', string>>
  return both[language] ?? ''
}

/** The title of two texts; one alone stands for both. */
export function titleOf(english: string, korean: string): unknown {
  if (english && korean) return english === korean ? english : { en: english, ko: korean }
  return english || korean || undefined
}

/** A name for a rule, made of what it is called. */
export function nameOf(title: string): string {
  const found = title.toLowerCase().replace(/[^a-z0-9]+/g, '-').replace(/^[^a-z]+|-+$/g, '').slice(0, 63)
  return found || 'new-rule'
}

/** Beginnings of rules that cities often want. */
export const TEMPLATES: Record<string, { name: string; rule: Rule }> = {
  limit: {
    name: 'fine-dust',
    rule: {
      title: { en: 'Much fine dust', ko: '미세먼지 나쁨' }, type: 'AirQualityObserved', attribute: 'pm10', above: 80, back: 60, for: '30m',
      alert: { severity: 'high', kind: 'airPollution' },
    },
  },
  silent: {
    name: 'station-silent',
    rule: { title: { en: 'A station is silent', ko: '측정소 무응답' }, type: 'AirQualityObserved', attribute: 'pm10', silent: '2h', alert: { severity: 'low' } },
  },
  fast: {
    name: 'water-rises',
    rule: {
      title: { en: 'Water rises fast', ko: '수위 급상승' }, type: 'WaterLevel', attribute: 'level', rises: 0.5, within: '10m',
      alert: { severity: 'critical', kind: 'flood' }, notify: { to: 'water-duty', urgent: true },
    },
  },
  state: {
    name: 'door-open-at-night',
    rule: {
      title: { en: 'Door open at night', ko: '야간 문 열림' }, type: 'Door', attribute: 'status', is: 'open', hours: '22:00-06:00', for: '5m',
      notify: { to: 'duty', urgent: true },
    },
  },
  several: {
    name: 'lights-left-on',
    rule: {
      title: { en: 'Lights left on', ko: '낮에 켜진 가로등' }, type: 'Streetlight', attribute: 'powerState', is: 'on', hours: '09:00-17:00',
      together: 20, alert: { severity: 'low', kind: 'energy' },
    },
  },
}
