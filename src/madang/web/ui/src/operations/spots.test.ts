import assert from 'node:assert/strict'
import { test } from 'node:test'

import { marksOf } from './spots.ts'

test('a point is where it is, an area has its mark in its middle, what lies nowhere has none', () => {
  const found = marksOf([
    { id: 'a', title: 'A', location: { type: 'Point', coordinates: [127, 37.5] }, kind: 'high' },
    { id: 'b', title: 'B', location: { type: 'Polygon', coordinates: [[[0, 0], [2, 0], [2, 4], [0, 0]]] }, kind: 'low' },
    { id: 'c', title: 'C', location: null, kind: 'low' },
  ])
  assert.deepEqual(found.map((one) => [one.id, one.lon, one.lat, one.kind]), [['a', 127, 37.5, 'bad'], ['b', 1, 2, 'info']])
  assert.equal(found[0]?.geometry, undefined)
})
