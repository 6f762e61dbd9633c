import assert from 'node:assert/strict'
import { test } from 'node:test'

import { createExpression, v8, type StylePropertySpecification } from '@maplibre/maplibre-gl-style-spec'

import { coloursOf, mixed, nice, OTHER, paint, paintMean, painter, PALETTE, RAMP, rgb, stops } from './colours.ts'

test('the ends of a ramp are round and hold all values', () => {
  assert.deepEqual(nice(18.2, 33.9), [15, 35])
  assert.deepEqual(nice(0, 97), [0, 100])
  assert.deepEqual(nice(5, 5), [5, 6])
  for (const [min, max] of [[0.0247, 0.0491], [-7, 31], [1e6, 3e6]] as const) {
    const [low, high] = nice(min, max)
    assert.ok(low <= min && high >= max)
  }
})

test('numbers are coloured along the ramp, what has none is grey', () => {
  const colours = coloursOf({ name: 'speed', kind: 'number', min: 0, max: 60, unit: 'KMH' })
  const colour = painter(colours, false)
  assert.deepEqual(colour(0, ''), rgb(RAMP.light[0]))
  assert.deepEqual(colour(1000, ''), rgb(RAMP.light[4]))
  assert.deepEqual(colour(NaN, ''), rgb(OTHER))
  assert.deepEqual(stops([0, 40], true).map((stop) => stop.value), [0, 10, 20, 30, 40])
})

test('most values decide the ramp, not one that is far off', () => {
  assert.deepEqual(coloursOf({ name: 'pm25', kind: 'number', min: 3, max: 900, low: 10, high: 38 })?.range, [10, 40])
})

test('words are coloured by the palette, all others grey', () => {
  const colours = coloursOf({ name: 'status', kind: 'category', values: ['free', 'occupied'] })
  const colour = painter(colours, false)
  assert.deepEqual(colour(NaN, 'occupied'), rgb(PALETTE[1]))
  assert.deepEqual(colour(NaN, 'broken'), rgb(OTHER))
  assert.equal(paint(colours)[0], 'match')
})

test('nothing to colour by is one colour', () => {
  assert.equal(coloursOf(undefined), undefined)
  assert.deepEqual(painter(undefined, true)(3, ''), rgb('#5fd0c2'))
})

test('colours are mixed part by part', () => {
  assert.deepEqual(mixed([0, 0, 0], [100, 200, 50], 0.5), [50, 100, 25])
})

test('MapLibre can paint points and clusters by number', () => {
  const colours = coloursOf({ name: 'speed', kind: 'number', min: 0, max: 60 })
  const colour = v8.paint_circle['circle-color'] as StylePropertySpecification
  for (const expression of [paint(colours), paintMean(colours?.range ?? [0, 1])]) {
    const made = createExpression(expression, 'circle-color', colour)
    assert.deepEqual(made.result === 'error' ? made.value.map(String) : [], [])
  }
})
