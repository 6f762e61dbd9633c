import assert from 'node:assert/strict'
import { test } from 'node:test'

import { pictureAt, show, type FilmAnswer } from './film.ts'
import { isLayer, roleOf, shortName, type Kind } from './kinds.ts'
import { boundsOf, featuresOf, positions } from './marks.ts'
import { Things } from './things.ts'

function frame(ids: string[], isWhole = false, gone: string[] = []) {
  const lonlat = Float64Array.from(ids.flatMap((_, index) => [127 + index, 37]))
  return { layer: 'a', isWhole, ids, lonlat, value: Float32Array.from(ids.map((_, index) => index)), at: 5, gone }
}

test('things follow the frames of the stream', () => {
  const things = new Things()
  things.take(frame(['a', 'b', 'c']))
  things.take(frame(['b'], false, ['a']))
  assert.deepEqual(things.first(9).map((one) => one.id).sort(), ['b', 'c'])
  assert.equal(things.one('b')?.lon, 127)
  assert.equal(things.one('c')?.value, 2)
  assert.equal(things.one('a'), undefined)
  things.take(frame(['d'], true))
  assert.deepEqual(things.ids, ['d'])
  assert.deepEqual(things.frame('a').ids, ['d'])
})

test('things without a place are not drawn', () => {
  const things = new Things()
  things.put('a', NaN, NaN, 1, '')
  things.put('b', 1, 2, NaN, 'free')
  assert.deepEqual(things.features().map((one) => one.properties), [{ id: 'b', t: 'free' }])
  assert.deepEqual(things.features(['b', 'none']).map((one) => one.properties?.id), ['b'])
})

const FILM: FilmAnswer = {
  start: '2026-01-01T00:00:00Z', end: '2026-01-01T00:02:00Z', step: 60,
  ids: ['bus', 'lamp', 'late'], names: [{}, {}, {}], positions: [[1, 1], [2, 2], [3, 3]],
  from: [0, 0, 1], to: [3, 3, 2], moving: [0], paths: [[1, 1], [1.5, 1], [null, null]],
  values: [[1, 'on', null], [2, 'off', 7], [3, 'on', 8]], cut: false,
}

test('a picture of a film has what was there then', () => {
  const things = new Things()
  show(FILM, 0, things)
  assert.deepEqual(things.ids, ['bus', 'lamp'])
  show(FILM, 1, things)
  assert.deepEqual([things.one('bus')?.lon, things.one('lamp')?.text, things.one('late')?.value], [1.5, 'off', 7])
  show(FILM, 2, things)
  assert.deepEqual(things.ids, ['lamp'])
})

test('the picture of an instant is the last one before it', () => {
  const start = Date.parse(FILM.start)
  assert.deepEqual([-5, 0, 59, 60, 999].map((s) => pictureAt(FILM, start + s * 1000)), [0, 0, 0, 1, 2])
})

test('streets, zones and buildings lie below; zones can be coloured as well', () => {
  const kind = (type: string, geometry: Kind['geometry'], ...names: string[]): Kind => ({
    type, geometry, count: 1, isMoving: false, attributes: names.map((name) => ({ name, kind: 'number' })),
  })
  assert.equal(roleOf(kind('RoadSegment', 'line')), 'street')
  assert.equal(roleOf(kind('House', 'polygon', 'height')), 'building')
  assert.equal(roleOf(kind('https://smartdatamodels.org/Building', 'polygon')), 'building')
  assert.equal(roleOf(kind('Park', 'polygon')), 'zone')
  assert.equal(roleOf(kind('Vehicle', 'point')), undefined)
  assert.ok(isLayer(kind('ParkingSpot', 'polygon')) && !isLayer(kind('Road', 'line')))
  assert.equal(shortName('https://smartdatamodels.org/Transportation/Vehicle'), 'Vehicle')
})

test('marks with outlines are drawn with them and held by the bounds', () => {
  const outline: GeoJSON.Polygon = { type: 'Polygon', coordinates: [[[1, 1], [3, 1], [3, 4], [1, 1]]] }
  const marks = [{ id: 'a', lon: 2, lat: 2, geometry: outline }]
  assert.deepEqual(boundsOf(marks), [1, 1, 3, 4])
  assert.equal(boundsOf([]), undefined)
  assert.deepEqual(featuresOf(marks).features.map((one) => one.geometry.type), ['Polygon', 'Point'])
  assert.equal([...positions({ type: 'GeometryCollection', geometries: [outline] })].length, 4)
})
