import assert from 'node:assert/strict'
import { test } from 'node:test'

import { aligned, before, extent, unitsOf } from './series.ts'
import { sparkPath } from './spark.ts'
import { tickLabels } from './time_axis.ts'

test('series with times of their own share one axis, and gaps stay gaps', () => {
  const { at, columns } = aligned([
    { label: 'a', at: [1, 3, 5], value: [10, null, 30] },
    { label: 'b', at: [2, 3], value: [1, Number.NaN], low: [0, 0], high: [2, 2] },
  ])
  assert.deepEqual(at, [1, 2, 3, 5])
  assert.deepEqual(columns[0]?.value, [10, undefined, null, 30])
  assert.deepEqual(columns[1]?.value, [undefined, 1, null, undefined])
  assert.deepEqual(columns[1]?.low, [undefined, 0, 0, undefined])
  assert.equal(columns[0]?.low, undefined)
})

test('the extent leaves gaps out, and is not there without values', () => {
  assert.deepEqual(extent({ label: '', at: [1, 2, 3], value: [5, -1, null] }), { min: -1, max: 5, last: -1, last_at: 2 })
  assert.equal(extent({ label: '', at: [1], value: [null] }), undefined)
})

test('the time under the cursor is the last one before it', () => {
  assert.equal(before([10, 20, 30], 25), 1)
  assert.equal(before([10, 20, 30], 30), 2)
  assert.equal(before([10, 20, 30], 5), -1)
})

test('each unit has one axis', () => {
  assert.deepEqual(unitsOf([
    { label: 'a', unit: '°C', at: [], value: [] },
    { label: 'b', unit: '%', at: [], value: [] },
    { label: 'c', unit: '°C', at: [], value: [] },
  ]), ['°C', '%'])
})

test('a spark line fills its box, breaks at gaps and shows a single value', () => {
  assert.equal(sparkPath([0, 10], 100, 20), 'M0.0 20.0h0L100.0 0.0')
  assert.equal(sparkPath([1, null, 3], 100, 20), 'M0.0 20.0h0M100.0 0.0h0')
  assert.equal(sparkPath([7], 100, 20), 'M50.0 10.0h0')
  assert.equal(sparkPath([null], 100, 20), '')
})

test('ticks name the day where it changes, else the time', () => {
  const midnight = Date.UTC(2026, 10, 21) / 1000
  const ticks = [midnight - 21600, midnight, midnight + 21600]
  assert.deepEqual(tickLabels(ticks, 21600, 'en-GB', 'UTC'), ['18:00', '21 Nov', '06:00'])
  assert.deepEqual(tickLabels([midnight], 86400 * 31, 'en-GB', 'UTC'), ['Nov 2026'])
})
