import assert from 'node:assert/strict'
import { test } from 'node:test'

import { joined, midnight, weekOf } from './rota.ts'

const START = midnight(Date.parse('2026-11-23T12:00:00Z'))
const HOUR = 3_600_000
const iso = (ms: number) => new Date(ms).toISOString()

test('a turn of a day and a half lies in two days', () => {
  const week = weekOf(
    [
      { from: iso(START - 12 * HOUR), who: 'kim' },
      { from: iso(START + 36 * HOUR), who: 'lee' },
    ],
    START,
  )
  assert.equal(week.length, 7)
  assert.deepEqual(week[0]?.parts.map((one) => [one.who, one.from, one.to]), [['kim', 0, 1]])
  assert.deepEqual(week[1]?.parts.map((one) => [one.who, one.from, one.to]), [['kim', 0, 0.5], ['lee', 0.5, 1]])
  assert.deepEqual(week[6]?.parts.map((one) => one.who), ['lee'])
})

test('answers that overlap are joined without doubling a turn', () => {
  const kim = { from: iso(START), who: 'kim' }
  const lee = { from: iso(START + HOUR), who: 'lee' }
  const park = { from: iso(START + 2 * HOUR), who: 'park' }
  assert.deepEqual(joined([kim, lee], [lee, park]), [kim, lee, park])
})
