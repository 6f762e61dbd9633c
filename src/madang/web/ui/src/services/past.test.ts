import assert from 'node:assert/strict'
import { test } from 'node:test'

import { indicatorOf, indicatorSeries, perDay } from './past.ts'

const kpi = (at: string, value: number) => ({
  id: 'urn:ngsi-ld:KeyPerformanceIndicator:parking:inGoal', type: 'KeyPerformanceIndicator', currentValue: { type: 'Property', value, observedAt: at },
})
const decision = (id: string, at: string) => ({ id: `urn:ngsi-ld:Decision:${id}`, type: 'Decision', description: { type: 'Property', value: 'x', observedAt: at } })

test('an indicator of a run is a line in the order of time', () => {
  const series = indicatorSeries([kpi('1970-01-03T00:00:00Z', 2), kpi('1970-01-02T00:00:00Z', 1), decision('1', '1970-01-02T00:00:00Z')], 'parking', 'inGoal', 'In goal', '%')
  assert.deepEqual(series, { label: 'In goal', unit: '%', at: [86_400, 172_800], value: [1, 2] })
  assert.deepEqual(indicatorSeries([], 'parking', 'inGoal', 'In goal', '%').at, [])
})

test('what is written again counts once, in the day it began', () => {
  const effects = [decision('1', '1970-01-02T03:00:00Z'), decision('1', '1970-01-03T03:00:00Z'), decision('2', '1970-01-03T03:00:00Z')]
  assert.deepEqual(perDay(effects, 'Decision', 86_400, 3 * 86_400, 'a').value, [1, 1])
  assert.deepEqual(perDay([], 'Decision', 86_400, 3 * 86_400, 'a').value, [0, 0])
})

test('the id of an indicator tells its service', () => {
  assert.deepEqual(indicatorOf('urn:ngsi-ld:KeyPerformanceIndicator:air:mapError'), { service: 'air', name: 'mapError' })
  assert.equal(indicatorOf('urn:ngsi-ld:KeyPerformanceIndicator:x'), undefined)
})
