// Values that people type: of attributes, and of the parameters of commands (JSON Schema 2020-12).

/** How a value is edited. */
export type Kind = 'number' | 'boolean' | 'text' | 'json'

export function kindOf(value: unknown): Kind {
  if (typeof value === 'number') return 'number'
  if (typeof value === 'boolean') return 'boolean'
  return typeof value === 'string' ? 'text' : 'json'
}

/** A value as it stands in its field. */
export function written(value: unknown): string {
  if (value === undefined || value === null) return ''
  return typeof value === 'object' ? JSON.stringify(value, null, 2) : String(value)
}

/** What was typed; undefined if it is none of the kind. */
export function parsed(text: string, kind: Kind): unknown {
  if (kind === 'text') return text
  if (kind === 'boolean') return text === 'true'
  if (kind === 'number') return text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : undefined
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

interface Schema {
  type?: string
  title?: string
  description?: string
  enum?: unknown[]
  const?: unknown
  default?: unknown
  minimum?: number
  maximum?: number
  exclusiveMinimum?: number
  exclusiveMaximum?: number
  multipleOf?: number
  minLength?: number
  maxLength?: number
  unit?: string
  unitCode?: string
}

/** A field of the form of a command. */
export interface Parameter {
  name: string
  kind: Kind | 'choice'
  isNeeded: boolean
  isWhole: boolean
  title: string
  about: string
  least?: number
  most?: number
  step?: number
  longest?: number
  unitCode: string
  choices: unknown[]
  /** What stands there at first. */
  text: string
}

const KINDS: Record<string, Kind> = { number: 'number', integer: 'number', boolean: 'boolean', string: 'text' }

/** The fields that the schema of a command's parameters asks for. */
export function parametersOf(schema: unknown): Parameter[] {
  const { properties, required } = (schema ?? {}) as { properties?: Record<string, Schema>; required?: string[] }
  return Object.entries(properties ?? {}).map(([name, one]) => {
    const kind = one.enum ? 'choice' : (KINDS[one.type ?? ''] ?? 'json')
    const isWhole = one.type === 'integer'
    return {
      name,
      kind,
      isNeeded: required?.includes(name) ?? false,
      isWhole,
      title: one.title ?? name,
      about: one.description ?? '',
      least: one.minimum ?? one.exclusiveMinimum,
      most: one.maximum ?? one.exclusiveMaximum,
      step: one.multipleOf ?? (isWhole ? 1 : undefined),
      longest: one.maxLength,
      unitCode: one.unitCode ?? one.unit ?? '',
      choices: one.enum ?? [],
      text: firstText(one, kind),
    }
  })
}

function firstText(one: Schema, kind: Parameter['kind']): string {
  const first = one.default ?? one.const ?? (kind === 'choice' ? one.enum?.[0] : undefined)
  if (kind === 'choice') return String((one.enum ?? []).findIndex((choice) => choice === first))
  if (first !== undefined) return written(first)
  return kind === 'boolean' ? 'false' : ''
}

/** What is wrong with a field. */
export type Fault = 'missing' | 'wrong' | 'low' | 'high' | 'whole'

/**
 * The parameters that a form says, or what is wrong with which field.
 *
 * The hub checks them against the whole schema again; this is so that people hear it at the field.
 */
export function readForm(
  parameters: Parameter[],
  texts: Record<string, string>,
): { values: Record<string, unknown>; faults: Record<string, Fault> } {
  const values: Record<string, unknown> = {}
  const faults: Record<string, Fault> = {}
  for (const one of parameters) {
    const text = texts[one.name] ?? ''
    if (text === '' && one.kind !== 'boolean') {
      if (one.isNeeded) faults[one.name] = 'missing'
      continue
    }
    const value = one.kind === 'choice' ? one.choices[Number(text)] : parsed(text, one.kind)
    const fault = value === undefined ? 'wrong' : faultOf(one, value)
    if (fault) faults[one.name] = fault
    else values[one.name] = value
  }
  return { values, faults }
}

function faultOf(one: Parameter, value: unknown): Fault | undefined {
  if (typeof value !== 'number') return undefined
  if (one.least !== undefined && value < one.least) return 'low'
  if (one.most !== undefined && value > one.most) return 'high'
  if (one.isWhole && !Number.isInteger(value)) return 'whole'
  return undefined
}

/** The colour of a quality flag (QARTOD, see docs/explanation/data-quality.md). */
export function flagKind(flag: string): 'good' | 'warn' | 'bad' | 'quiet' {
  if (flag === 'good') return 'good'
  if (flag === 'suspect') return 'warn'
  return flag === 'fail' ? 'bad' : 'quiet'
}
