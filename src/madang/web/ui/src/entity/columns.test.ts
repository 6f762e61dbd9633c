import assert from 'node:assert/strict'
import { test } from 'node:test'

import { mainAttributes } from './columns.ts'

test('measured numbers come first, long texts and places not at all', () => {
  const entities = [1, 2].map((n) => ({
    id: `urn:${n}`, type: 'A',
    name: { type: 'Property', value: 'x' },
    location: { type: 'GeoProperty', value: { type: 'Point', coordinates: [0, 0] } },
    about: { type: 'Property', value: 'long '.repeat(20) },
    area: { type: 'Property', value: 'here' },
    seats: { type: 'Property', value: 2 },
    pm25: { type: 'Property', value: 3, observedAt: '2026-01-01T00:00:00Z' },
    near: { type: 'Relationship', object: 'urn:b' },
  }))
  assert.deepEqual(mainAttributes(entities, 9), ['pm25', 'seats', 'area', 'near'])
  assert.deepEqual(mainAttributes(entities, 1), ['pm25'])
  assert.deepEqual(mainAttributes([], 3), [])
})
