import assert from 'node:assert/strict'
import { test } from 'node:test'

import { asParameters, blank, faultOf } from './ngsi.ts'

test('a form about nothing asks for everything, and says so', () => {
  assert.equal(asParameters(blank()).local, true)
  assert.equal(asParameters({ ...blank(), type: 'Bench' }).local, undefined)
})

test('near a point needs a point and a distance', () => {
  const near = { ...blank(), georel: 'near', point: '126.9784, 37.5716', metres: '500' }
  assert.equal(faultOf(near), '')
  assert.deepEqual(asParameters(near).coordinates, '[126.9784,37.5716]')
  assert.equal(asParameters(near).georel, 'near;maxDistance==500')
  for (const point of ['', '126', '126,', '181,0', 'a,b', '1,2,3']) assert.equal(faultOf({ ...near, point }), 'point')
  for (const metres of ['', '0', '-1', 'far']) assert.equal(faultOf({ ...near, metres }), 'metres')
})

test('an area is closed, and may be given as GeoJSON has it', () => {
  const within = { ...blank(), georel: 'within', area: '0,0; 1,0; 1,1' }
  assert.equal(asParameters(within).coordinates, '[[[0,0],[1,0],[1,1],[0,0]]]')
  const coordinates = '[[[0,0],[1,0],[1,1],[0,0]]]'
  assert.equal(asParameters({ ...within, area: coordinates }).coordinates, coordinates)
  for (const area of ['', '0,0;1,1', '[1', '0,0;x;1,1']) assert.equal(faultOf({ ...within, area }), 'area')
})
