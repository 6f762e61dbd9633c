import assert from 'node:assert/strict'
import { test } from 'node:test'

import { addressOf, bodyOf, fieldOf, hostOf, placeOf, rankOf, shortName, stateOf, typesOf, untilThen, waitingOf, wordOf } from './told.ts'
import type { Fares, Subscription } from './types.ts'

const ONE: Subscription = {
  id: 'urn:ngsi-ld:Subscription:1',
  entities: [{ type: 'ParkingSpot' }, { type: 'https://example.org/terms#Bench', idPattern: 'a' }, { type: 'ParkingSpot', id: 'urn:a:1' }],
  notificationTrigger: [],
  notification: { endpoint: { uri: 'http://a.example/x' } },
  status: 'active',
}
const SENT: Subscription = { ...ONE, notification: { ...ONE.notification, status: 'ok', timesSent: 3 } }
const FAILED: Subscription = { ...ONE, notification: { ...ONE.notification, status: 'failed', timesSent: 3, timesFailed: 1 } }
const NEXT = '2026-11-23T05:00:40Z'

function fares(endpoint: Partial<Fares['endpoint']> = {}): Fares {
  return { endpoint: { state: 'closed', waiting: 0, ...endpoint }, notifications: [] }
}

test('a subscription that fails stands before all others', () => {
  const ones: Subscription[] = [ONE, { ...ONE, status: 'expired' }, { ...FAILED, status: 'paused' }, { ...ONE, status: 'paused', statusReason: 'gone' }, FAILED]
  assert.deepEqual(ones.map(stateOf), ['active', 'expired', 'paused', 'orphaned', 'failing'])
  assert.deepEqual(ones.map(stateOf).map(rankOf), [4, 3, 2, 1, 0])
})

test('it is told in short what it is about and where it goes, without a password', () => {
  assert.deepEqual(typesOf(ONE), ['ParkingSpot', 'Bench'])
  assert.equal(shortName('urn:a:b'), 'urn:a:b')
  assert.deepEqual(
    ['https://hooks.example:8443/a?b', 'mqtt://ann:secret@broker:1883/city/parking', 'nats:bus', 'nothing'].map(hostOf),
    ['https://hooks.example:8443', 'mqtt://broker:1883', '', 'nothing'],
  )
  assert.equal(addressOf('mqtt://ann:secret@broker:1883/city/parking'), 'mqtt://ann:***@broker:1883/city/parking')
  assert.equal(addressOf('https://a.example/x?y=z'), 'https://a.example/x?y=z')
  assert.equal(placeOf({ georel: 'near;maxDistance==9', geometry: 'Point', coordinates: [1, 2] }), 'near;maxDistance==9 · Point [1,2]')
})

test('how an endpoint fares is one word, whatever its circuit is', () => {
  assert.equal(wordOf(ONE, fares()), 'new')
  assert.equal(wordOf(SENT, fares()), 'well')
  assert.equal(wordOf(SENT, fares({ waiting: 2 })), 'sending')
  assert.equal(wordOf(FAILED, fares({ state: 'open', waiting: 1, failures: 2, error: 'no answer', nextAttempt: NEXT })), 'failing')
  assert.equal(wordOf(FAILED, fares({ state: 'half-open', waiting: 1, failures: 2 })), 'trying')
  assert.equal(wordOf(FAILED, fares({ state: 'open', waiting: 1, error: '400', nextAttempt: NEXT })), 'refusing')
  assert.equal(wordOf(SENT, fares({ state: 'open', waiting: 1, nextAttempt: NEXT })), 'later')
  assert.equal(wordOf(FAILED, fares({ refused: 1, error: '400' })), 'answers')
  assert.equal(wordOf(FAILED, fares()), 'ended')
  // A paused one has a circuit that is open until somebody goes on.
  assert.equal(wordOf({ ...FAILED, status: 'paused' }, fares({ state: 'open', waiting: 1 })), 'paused')
})

test('what another hub sends has no next attempt that this one knows of', () => {
  assert.equal(wordOf(FAILED, fares({ state: 'open', waiting: 1, error: 'no answer' })), 'elsewhere')
})

test('what was refused waits as well', () => {
  assert.equal(waitingOf(fares({ waiting: 40, refused: 2 })), 42)
})

test('the next attempt is in seconds, then in minutes', () => {
  const now = Date.parse('2026-11-23T05:00:00Z')
  assert.equal(untilThen('2026-11-23T05:00:40Z', now, 'en'), 'in 40 seconds')
  assert.equal(untilThen('2026-11-23T05:04:00Z', now, 'en'), 'in 4 minutes')
  assert.equal(untilThen('2026-11-23T04:59:00Z', now, 'ko'), '지금')
})

test('a form becomes a subscription, and what the hub says goes to its field', () => {
  assert.deepEqual(bodyOf({ name: ' Spots ', type: 'ParkingSpot', watched: ['status'], uri: ' http://a.example/x ', throttling: '5' }), {
    type: 'Subscription',
    subscriptionName: 'Spots',
    entities: [{ type: 'ParkingSpot' }],
    watchedAttributes: ['status'],
    throttling: 5,
    notification: { endpoint: { uri: 'http://a.example/x' } },
  })
  const plain = bodyOf({ name: 'a', type: 'A', watched: [], uri: 'http://a', throttling: ' ' })
  assert.deepEqual(Object.keys(plain), ['type', 'subscriptionName', 'entities', 'notification'])
  assert.deepEqual(['notification.endpoint.uri must be', 'throttling must be', 'you have'].map(fieldOf), ['uri', 'throttling', ''])
})
