import assert from 'node:assert/strict'
import { test } from 'node:test'

import { bar, boundsOf, full, kindsOf, largest, placed, reachOf, titled } from './figures.ts'
import type { Streets } from './types.ts'

function streets(...delays: number[]): Streets {
  const figure = (difference: number) => ({ now: 1, then: 1 + difference, difference, clear: true })
  return {
    type: 'FeatureCollection',
    features: delays.map((delay, index) => ({
      type: 'Feature',
      geometry: { type: 'LineString', coordinates: [[index, 0], [index, 1]] },
      properties: { edge: String(index), name: '', 'name:en': '', delay: figure(delay), flow: figure(0), speed: figure(0), co2: figure(0), noise: figure(0) },
    })),
  }
}

test('an interval stands around its difference, zero in the middle', () => {
  assert.deepEqual(bar(10, [1, 3], 2, 20), { low: 62.5, high: 87.5, middle: 75 })
  assert.deepEqual(bar(-10, null, -1, 10), { low: 0, high: 0, middle: 0 })
})

test('a negative percent of a negative difference keeps its interval in order', () => {
  const found = bar(-10, [-3, -1], -2, 20)
  assert.ok(found && found.low < found.middle && found.middle < found.high && found.high < 50)
})

test('what is compared with nothing has no place on the line', () => {
  assert.equal(bar(null, [0, 1], 0.5, 10), undefined)
})

test('the line reaches somewhat farther than the widest difference, and never beyond a hundred percent', () => {
  assert.equal(reachOf([{ percent: 8 }, { percent: -20 }, { percent: null }]), 30)
  assert.equal(reachOf([{ percent: 500 }]), 100)
  assert.equal(reachOf([]), 5)
})

test('streets that change most come first, and those that do not change are left out', () => {
  assert.deepEqual(largest(streets(1, -5, 0, 3), 'delay', 2).map((one) => one.edge), ['1', '3'])
})

test('a single street that changes very much does not make all others pale', () => {
  assert.equal(full(streets(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 100), 'delay'), 1)
  assert.equal(full(streets(), 'delay'), 1)
})

test('the map shows all streets', () => {
  assert.deepEqual(boundsOf(streets(1, 2)), [0, 0, 1, 1])
  assert.equal(boundsOf(streets()), undefined)
})

test('a click puts the place into the policy', () => {
  assert.equal(placed('place = [1, 2] # x\nplace = [3, 4]', 126.5, 37.5), 'place = [126.50000, 37.50000] # x\nplace = [3, 4]')
  assert.equal(placed('edges = ["a"]', 1, 2), 'edges = ["a"]')
})

test('a template has the title of the language in which it is chosen', () => {
  assert.equal(titled('title = "Road works"\n\n[[closure]]\n', '도로 공사'), 'title = "도로 공사"\n\n[[closure]]\n')
  assert.equal(titled('title = "a"', '$& "b"'), 'title = "$& \\"b\\""')
})

test('measures are of kinds', () => {
  assert.deepEqual(kindsOf(['signals: max_pressure', 'closure × 2', 'price']), ['signals_max_pressure', 'closure', 'price'])
})
