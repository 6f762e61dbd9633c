// The options of a service as a form, from the JSON Schema that the hub tells (pydantic, draft 2020-12).
import { parametersOf, readForm, written, type Fault, type Parameter } from '../entity/values.ts'

export interface Option extends Parameter {
  korean: string
  /** As people write it, from the end of the description: `min`, `km/h`; empty: none. */
  unit: string
  /** A list of texts, written with commas. */
  isList: boolean
  /** Nothing may stand there. */
  mayBeNothing: boolean
  /** What it is if nobody sets it. */
  usual: unknown
}

interface Schema {
  type?: string
  ko?: string
  default?: unknown
  items?: { type?: string }
  anyOf?: { type?: string }[]
}

const UNIT = /\s*\[([^\]\s]+)\]$/

/** The options that a form asks for; `left` are those that have pages of their own. */
export function optionsOf(schema: unknown, left: string[] = []): Option[] {
  const properties = ((schema ?? {}) as { properties?: Record<string, Schema> }).properties ?? {}
  return parametersOf(schema)
    .filter((one) => !left.includes(one.name))
    .map((one) => {
      const said = properties[one.name] ?? {}
      const unit = UNIT.exec(one.about)?.[1] ?? ''
      return {
        ...one,
        korean: said.ko ?? one.title,
        about: one.about.replace(UNIT, ''),
        unit: unit === '1' ? '' : unit,
        isList: said.type === 'array' && said.items?.type === 'string',
        mayBeNothing: said.anyOf?.some((way) => way.type === 'null') ?? false,
        usual: said.default,
      }
    })
}

/** The texts of the fields for some options. */
export function textsOf(options: Option[], values: Record<string, unknown>): Record<string, string> {
  return Object.fromEntries(options.map((one) => [one.name, textOf(one, values[one.name])]))
}

function textOf(option: Option, value: unknown): string {
  if (option.kind === 'choice') return String(option.choices.indexOf(value))
  if (option.isList) return ((value ?? []) as unknown[]).join(', ')
  if (option.kind === 'json' && Array.isArray(value)) return JSON.stringify(value)
  return written(value)
}

/** The options that the texts say, or what is wrong with which field. */
export function readOptions(
  options: Option[],
  texts: Record<string, string>,
): { values: Record<string, unknown>; faults: Record<string, Fault> } {
  const plain = options.filter((one) => !one.isList && !(one.mayBeNothing && !texts[one.name]?.trim()))
  // A text may be empty; a number or JSON may not.
  const needed = plain.map((one) => ({ ...one, isNeeded: one.kind !== 'text' }))
  const found = readForm(needed, texts)
  for (const one of options) {
    const text = texts[one.name] ?? ''
    if (one.isList) found.values[one.name] = text.split(',').map((part) => part.trim()).filter(Boolean)
    else if (one.mayBeNothing && !text.trim()) found.values[one.name] = null
    else if (one.kind === 'text' && text === '') found.values[one.name] = ''
  }
  return found
}

/** Those options that differ from others. */
export function changedOptions(values: Record<string, unknown>, before: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(before[name])))
}

/** The field that the hub's words are about: `step_up: Input should be …`; empty if none. */
export function faultyOption(words: string, options: Option[]): string {
  const name = /^([a-z_0-9]+)[.:]/.exec(words)?.[1] ?? ''
  return options.some((one) => one.name === name) ? name : ''
}
