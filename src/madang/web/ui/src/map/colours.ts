// Colours by value: a ramp that people who are colour-blind can read, and a palette for words.
import type { ExpressionSpecification } from 'maplibre-gl'

import type { Quantity } from './kinds.ts'
import { tone } from './tone.ts'

/** Viridis (S. van der Walt, N. Smith, 2015) cut where it would vanish into the ground; high stands out. */
export const RAMP = {
  light: ['#f2d21b', '#7ad151', '#22a884', '#2a788e', '#414487'],
  dark: ['#4a5fa8', '#2f89a0', '#2db38c', '#84d44b', '#fde725'],
} as const

/** M. Okabe, K. Ito, Color Universal Design, 2008; without black and with grey for the rest. */
export const PALETTE = ['#0072b2', '#e69f00', '#009e73', '#cc79a7', '#56b4e9', '#d55e00', '#f0e442'] as const
export const OTHER = '#8a9592'

export interface Colours {
  attribute: string
  unit: string
  /** Ends of the ramp, if it is coloured by numbers. */
  range?: [number, number]
  /** Words in the order of their colours. */
  words?: string[]
}

/** How things are coloured by one attribute; undefined if it says nothing to colour by. */
export function coloursOf(quantity: Quantity | undefined): Colours | undefined {
  if (!quantity) return undefined
  const head = { attribute: quantity.name, unit: quantity.unit ?? '' }
  if (quantity.kind === 'category') return { ...head, words: [...(quantity.values ?? [])].slice(0, PALETTE.length) }
  return { ...head, range: nice(quantity.low ?? quantity.min ?? 0, quantity.high ?? quantity.max ?? 1) }
}

/** Round ends around a range of values: 18.2 to 33.9 becomes 15 to 35. */
export function nice(min: number, max: number): [number, number] {
  if (!(max > min)) return [min, min + 1]
  const rough = (max - min) / 4
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 2.5, 5, 10].map((one) => one * power).find((one) => one >= rough) ?? rough
  const clean = (value: number): number => Number(value.toPrecision(12))
  return [clean(Math.floor(min / step) * step), clean(Math.ceil(max / step) * step)]
}

/** Values along a ramp with the colour of each. */
export function stops([low, high]: [number, number], isDark: boolean): { value: number; colour: string }[] {
  const ramp = RAMP[isDark ? 'dark' : 'light']
  return ramp.map((colour, index) => ({ value: low + ((high - low) * index) / (ramp.length - 1), colour }))
}

const PLAIN = tone('#00695f', '#5fd0c2')

const VALUE: ExpressionSpecification = ['get', 'v']
const MEAN: ExpressionSpecification = ['/', ['get', 'sum'], ['get', 'with']]

/** The colour of a point whose number is `v` and whose word is `t`. */
export function paint(colours: Colours | undefined): ExpressionSpecification {
  if (!colours) return PLAIN
  if (colours.words) {
    const [first, ...rest] = colours.words
    if (first === undefined) return tone(OTHER, OTHER)
    const others = rest.flatMap((word, index) => [word, PALETTE[index + 1] ?? OTHER])
    return ['match', ['coalesce', ['get', 't'], ''], first, PALETTE[0], ...others, OTHER]
  }
  return along(colours.range ?? [0, 1], VALUE, ['==', ['typeof', VALUE], 'number'])
}

/** The colour of a cluster of which `with` points have a number, `sum` together. */
export function paintMean(range: [number, number]): ExpressionSpecification {
  return along(range, MEAN, ['>', ['get', 'with'], 0])
}

/** The colour of a number along the ramp, where there is one. */
function along([low, high]: [number, number], number: ExpressionSpecification, isThere: ExpressionSpecification): ExpressionSpecification {
  const ends = RAMP.light.flatMap((light, index) => [
    low + ((high - low) * index) / (RAMP.light.length - 1), tone(light, RAMP.dark[index] ?? light),
  ])
  const ramp = ['interpolate', ['linear'], number, ...ends] as ExpressionSpecification
  return ['case', isThere, ramp, OTHER]
}

export type Rgb = readonly [red: number, green: number, blue: number]

/** How a value or word is coloured, worked out once for many points. */
export function painter(colours: Colours | undefined, isDark: boolean): (value: number, word: string) => Rgb {
  const plain = rgb(isDark ? '#5fd0c2' : '#00695f')
  const other = rgb(OTHER)
  if (!colours) return () => plain
  if (colours.words) {
    const words = new Map(colours.words.map((word, index) => [word, rgb(PALETTE[index] ?? OTHER)]))
    return (_, word) => words.get(word) ?? other
  }
  const [low, high] = colours.range ?? [0, 1]
  const ramp = RAMP[isDark ? 'dark' : 'light'].map(rgb)
  return (value) => {
    if (!Number.isFinite(value)) return other
    const place = Math.min(Math.max((value - low) / (high - low), 0), 1) * (ramp.length - 1)
    const index = Math.min(Math.floor(place), ramp.length - 2)
    return mixed(ramp[index] ?? other, ramp[index + 1] ?? other, place - index)
  }
}

/** A colour between two, as MapLibre mixes them. */
export function mixed(from: Rgb, to: Rgb, share: number): Rgb {
  const part = (index: 0 | 1 | 2): number => Math.round(from[index] + (to[index] - from[index]) * share)
  return [part(0), part(1), part(2)]
}

export function rgb(colour: string): Rgb {
  const number = parseInt(colour.slice(1), 16)
  return [(number >> 16) & 255, (number >> 8) & 255, number & 255]
}
