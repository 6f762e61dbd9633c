import assert from 'node:assert/strict'
import { test } from 'node:test'

import { aggregatedLines, forecastLine, isNumeric, pointsOf, rawLines, withGaps } from './past.ts'
import { isoDuration, isoTime, MOST_POINTS, periodFor, RANGES, spanOf, spokenDuration } from './period.ts'

test('every range has at most 500 periods, and not fewer than it must', () => {
  for (const span of [...Object.values(RANGES), 12_345, 10 * 365 * 86_400, 2_000_000_000]) {
    assert.ok(span / periodFor(span) <= MOST_POINTS, `${span}`)
  }
  assert.equal(periodFor(RANGES.hour), 10)
  assert.equal(periodFor(RANGES.day), 300)
  assert.equal(periodFor(RANGES.week), 1800)
  assert.equal(periodFor(RANGES.year), 86_400)
})

test('periods are written as ISO 8601 has them', () => {
  assert.equal(isoDuration(30), 'PT30S')
  assert.equal(isoDuration(300), 'PT5M')
  assert.equal(isoDuration(7200), 'PT2H')
  assert.equal(isoDuration(7 * 86_400), 'P7D')
  assert.deepEqual([300, 3600, 86_400, 30].map((one) => spokenDuration(one, 'en')), ['5 minutes', '1 hour', '1 day', '30 seconds'])
})

test('the address says which time is meant, and nonsense is the last day', () => {
  const now = 1_800_000_000
  assert.deepEqual(spanOf('week', '', '', now), { from: now - RANGES.week, to: now, isRunning: true })
  assert.deepEqual(spanOf('', '', '', now).from, now - RANGES.day)
  assert.deepEqual(spanOf('constructor', 'x', 'y', now).from, now - RANGES.day)
  assert.deepEqual(spanOf('day', isoTime(now - 60), isoTime(now), now), { from: now - 60, to: now, isRunning: false })
  assert.equal(spanOf('day', isoTime(now), isoTime(now - 60), now).isRunning, true)
})

test('pairs become a line in the order of time, one for each datasetId', () => {
  const past = {
    a: { values: [[2, '1970-01-01T00:00:02Z'], [true, '1970-01-01T00:00:01Z']] },
    b: [{ values: [['x', '1970-01-01T00:00:01Z']] }, { datasetId: 'urn:d', values: [] }],
  }
  assert.deepEqual(rawLines(past, 'a'), [{ datasetId: '', at: [1, 2], value: [1, 2] }])
  assert.deepEqual(rawLines(past, 'b').map((line) => line.datasetId), ['', 'urn:d'])
  assert.deepEqual(rawLines(past, 'b')[0]?.value, [null])
  assert.deepEqual(rawLines(past, 'none'), [])
  assert.equal(pointsOf(past, 'a'), 2)
})

test('a period without values is a gap', () => {
  const at = (second: number): string => isoTime(second)
  const past = {
    a: {
      avg: [[5, at(0), at(10)], [7, at(10), at(20)], [9, at(50), at(60)]],
      min: [[4, at(0), at(10)], [6, at(10), at(20)], [8, at(50), at(60)]],
      max: [[6, at(0), at(10)], [8, at(10), at(20)], [10, at(50), at(60)]],
    },
  }
  assert.deepEqual(aggregatedLines(past, 'a', 10), [
    { datasetId: '', at: [0, 10, 20, 50], value: [5, 7, null, 9], low: [4, 6, null, 8], high: [6, 8, null, 10] },
  ])
})

test('a forecast is cut to the range', () => {
  const step = (second: number): { time: string; value: number; low: number; high: number } => ({ time: isoTime(second), value: 1, low: 0, high: 2 })
  assert.deepEqual(forecastLine([step(5), step(15), step(25)], 10, 20).at, [15])
})

test('numbers and switches can be drawn', () => {
  assert.deepEqual([1, true, 'x', null].map(isNumeric), [true, true, false, false])
})

test('a line breaks where nothing was heard for long, if it is known what is usual', () => {
  const at = Array.from({ length: 30 }, (_, n) => (n < 15 ? n : n + 100))
  const found = withGaps({ datasetId: '', at, value: at })
  assert.equal(found.at.length, 31)
  assert.deepEqual(found.value.slice(14, 17), [14, null, 115])
  assert.equal(withGaps({ datasetId: '', at: [1, 2, 500], value: [1, 2, 3] }).at.length, 3)
})
