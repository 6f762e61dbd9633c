import assert from 'node:assert/strict'
import { test } from 'node:test'

import { columnsOf, csv, linesOf, MOST_LINES, placeColumns, placeOf, spotsOf, timeOf, usualAxes } from './rows.ts'

const POINT = { type: 'Point', coordinates: [127, 37.5] }

test('columns are told by their values, nulls left out', () => {
  const rows = [
    { entity: 'urn:a', time: '2026-11-21T20:01:25.173000', pm25: null, on: true, place: JSON.stringify(POINT), more: { a: 1 }, day: '2026-11-21' },
    { entity: 'urn:b', time: '2026-11-21 20:01:26', pm25: 3, on: null, place: null, more: [1], mixed: 1 },
    { mixed: 'x' },
  ]
  assert.deepEqual(columnsOf(rows).map((one) => [one.name, one.kind]), [
    ['entity', 'text'], ['time', 'time'], ['pm25', 'number'], ['on', 'boolean'], ['place', 'place'], ['more', 'json'], ['day', 'time'], ['mixed', 'text'],
  ])
  assert.deepEqual(columnsOf([{ empty: null }]), [{ name: 'empty', kind: 'text' }])
})

test('an instant without a zone is UTC', () => {
  assert.equal(timeOf('2026-11-21T20:00:00'), Date.UTC(2026, 10, 21, 20) / 1000)
  assert.equal(timeOf('2026-11-21 20:00:00.5'), Date.UTC(2026, 10, 21, 20) / 1000 + 0.5)
  assert.equal(timeOf('2026-11-21T20:00:00+09:00'), Date.UTC(2026, 10, 21, 11) / 1000)
  assert.equal(timeOf('2026-11-21'), Date.UTC(2026, 10, 21) / 1000)
  assert.ok(Number.isNaN(timeOf('12')))
})

test('places are geometries, texts that are one, and pairs of columns', () => {
  assert.deepEqual(placeOf(JSON.stringify(POINT)), POINT)
  assert.equal(placeOf('{"coordinates'), undefined)
  assert.equal(placeOf({ type: 'Point' }), undefined)
  assert.deepEqual(placeColumns([{ name: 'location_longitude', kind: 'number' }, { name: 'location_latitude', kind: 'number' }]), {
    lon: 'location_longitude', lat: 'location_latitude',
  })
  assert.equal(placeColumns([{ name: 'longitude', kind: 'number' }]), undefined)
})

test('rows with a place become spots with a name and a figure', () => {
  const rows = [{ entity: 'urn:a', lon: 127, lat: 37, pm25: 5 }, { entity: 'urn:b', lon: null, lat: 37, pm25: 6 }]
  assert.deepEqual(spotsOf(rows, columnsOf(rows), 10), [{ id: 'urn:a', lon: 127, lat: 37, label: 'urn:a · 5' }])
  assert.deepEqual(spotsOf([{ place: POINT }], columnsOf([{ place: POINT }]), 10)[0]?.lon, 127)
})

test('a chart goes along time if there is one, with a line for each name', () => {
  const columns = columnsOf([{ time: '2026-01-01T00:00:00', entity: 'a', value: 1, lat: 2 }])
  assert.deepEqual(usualAxes(columns), { x: 'time', y: ['value'], by: 'entity' })
  assert.deepEqual(usualAxes(columnsOf([{ name: 'a', n: 1 }])), { x: 'name', y: ['n'], by: '' })
  assert.deepEqual(usualAxes(columnsOf([{ a: 1, b: 2 }])), { x: 'a', y: ['b'], by: '' })
  assert.equal(usualAxes(columnsOf([{ n: 1 }])), undefined)
  assert.equal(usualAxes([]), undefined)
})

test('lines are in the order of time, and no more than can be told apart', () => {
  const rows = [
    { t: '2026-01-01T00:00:02', k: 'a', v: 2 }, { t: '2026-01-01T00:00:01', k: 'a', v: 1 }, { t: 'never', k: 'a', v: 9 },
    ...Array.from({ length: 9 }, (_, n) => ({ t: '2026-01-01T00:00:01', k: `b${n}`, v: null })),
  ]
  const lines = linesOf(rows, [{ name: 't', kind: 'time' }], { x: 't', y: ['v'], by: 'k' })
  assert.equal(lines.length, MOST_LINES)
  assert.deepEqual(lines[0]?.value, [1, 2])
  assert.deepEqual(lines[1]?.value, [null])
})

test('CSV quotes what it must', () => {
  const rows = [{ a: 'x,y', b: 1, c: null }, { a: 'say "hi"\n', b: 0.5, c: { d: 1 } }]
  assert.equal(csv(rows, columnsOf(rows)), 'a,b,c\r\n"x,y",1,\r\n"say ""hi""\n",0.5,"{""d"":1}"\r\n')
})
