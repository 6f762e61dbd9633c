import assert from 'node:assert/strict'
import { test } from 'node:test'

import { camera, isSame, layers, past, stepOf, stepsOf, told, toldLayers, toldPast } from './address.ts'

test('a camera comes back from its address', () => {
  const shown = { lon: 126.978, lat: 37.566, zoom: 13.25, pitch: 55, bearing: -20 }
  assert.equal(told(shown), '126.97800,37.56600,13.25,55,-20')
  assert.deepEqual(camera(told(shown)), shown)
  assert.equal(told({ ...shown, pitch: 0, bearing: 0 }), '126.97800,37.56600,13.25')
  assert.ok(isSame(shown, { ...shown, lon: 126.9780001 }))
})

test('what is no camera is none', () => {
  for (const text of ['', '1,2', 'a,b,c', '200,0,3', '0,0,99', '0,90,3', '0,0,3,4,5,6']) assert.equal(camera(text), undefined)
})

test('layers come back from their address, whatever is in them', () => {
  const chosen = [
    { type: 'Vehicle', value: 'speed', q: '' },
    { type: 'https://example.org/Thing', value: '', q: 'a=="x,y~z";b>3' },
    { type: 'ParkingSpot', value: '', q: '' },
  ]
  assert.deepEqual(layers(toldLayers(chosen)), chosen)
  assert.deepEqual(layers(toldLayers([])), [])
  assert.equal(layers(''), undefined)
  assert.deepEqual(layers('Vehicle,Vehicle,%E0%A4%A'), [{ type: 'Vehicle', value: '', q: '' }])
})

test('a stretch of the past comes back, in no more steps than a film may have', () => {
  const chosen = { start: 1_760_000_000_000, end: 1_760_086_400_000, step: 300 }
  assert.deepEqual(past(toldPast(chosen)), chosen)
  assert.equal(past(toldPast({ ...chosen, step: 1 }))?.step, 300)
  assert.equal(past('tomorrow/yesterday/5'), undefined)
})

test('steps are the finest usual ones', () => {
  assert.equal(stepOf(0, 3_600_000), 15)
  assert.equal(stepOf(0, 86_400_000), 300)
  assert.ok(stepsOf(0, 3_600_000).every((step) => 3600 / step <= 300))
})
