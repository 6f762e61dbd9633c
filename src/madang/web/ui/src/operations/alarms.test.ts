import assert from 'node:assert/strict'
import { test } from 'node:test'

import { alarmOf, bars, byUrgency, fits, marks, plainId, raiser, wanted, type Alarm } from './alarms.ts'

const NOW = Date.parse('2026-11-21T12:00:00Z')
const HOUR = 3_600_000
const told = (words: string | Record<string, string>) => (typeof words === 'string' ? words : (words.en ?? ''))
const ALL = { state: '', severity: '', kind: '', source: '', words: '' }

function alarm(more: Record<string, unknown> = {}): Alarm {
  return alarmOf({ id: 'urn:ngsi-ld:Alert:a', category: 'waterLeak', dateIssued: '2026-11-21T10:00:00Z', ...more }, NOW)
}

test('an alert without an end runs, one whose end has come or that was closed is over', () => {
  assert.ok(alarm().isRunning)
  assert.ok(alarm({ validTo: { '@type': 'DateTime', '@value': '2026-11-21T13:00:00Z' } }).isRunning)
  assert.ok(!alarm({ validTo: '2026-11-21T11:00:00Z' }).isRunning)
  assert.ok(!alarm({ status: 'closed' }).isRunning)
  assert.ok(!alarm({ alertStatus: 'Cancelled' }).isRunning)
})

test('an alert that was raised anew after its end runs', () => {
  assert.ok(alarm({ validTo: '2026-11-21T09:00:00Z', status: 'open' }).isRunning)
})

test('what an alert does not say is other and informational, and its device is what it is about', () => {
  const found = alarmOf({ id: 'urn:x', severity: 'grave', alertSource: 'urn:ngsi-ld:Device:d1' }, NOW)
  assert.deepEqual([found.category, found.kind, found.severity], ['other', 'other', 'informational'])
  assert.deepEqual(found.about, ['urn:ngsi-ld:Device:d1'])
})

test('an id is read without escapes, and one that has none as it is', () => {
  assert.equal(plainId('urn:ngsi-ld:Alert:rules:smoke:urn%3Angsi-ld%3AStation%3A1'), 'rules:smoke:Station:1')
  assert.equal(plainId('urn:ngsi-ld:Station:100%'), '100%')
})

test('the gravest that runs comes first', () => {
  const over = alarm({ severity: 'critical', status: 'closed' })
  const low = alarm({ severity: 'low' })
  const high = alarm({ severity: 'high', dateIssued: '2026-11-21T09:00:00Z' })
  assert.deepEqual([over, low, high].toSorted(byUrgency), [high, low, over])
})

test('a filter takes a severity as the least, a kind, a source and words in any text', () => {
  const one = alarm({ severity: 'medium', title: { languageMap: { en: 'Leak in Yard Street' } }, alertSource: 'service:water' })
  assert.ok(fits(one, ALL, told))
  assert.ok(fits(one, { ...ALL, severity: 'low' }, told))
  assert.ok(!fits(one, { ...ALL, severity: 'high' }, told))
  assert.ok(fits(one, { ...ALL, kind: 'waterLeak', source: 'service:water' }, told))
  assert.ok(!fits(one, { ...ALL, source: 'device' }, told))
  assert.ok(fits(one, { ...ALL, words: 'yard' }, told))
  const there = alarm({ areaServed: { languageMap: { en: 'Yard-dong', ko: '마당동' } } })
  assert.ok(fits(there, { ...ALL, words: 'yard-dong' }, told))
  assert.ok(!fits(one, { ...ALL, state: 'ended' }, told))
})

test('who raised it is a service, a device or a feed', () => {
  assert.equal(raiser('service:waste').name, 'waste')
  assert.equal(raiser('urn:ngsi-ld:Device:lamp-7').kind, 'device')
  assert.deepEqual(raiser('subscription:urn:a:s'), { kind: 'subscription', name: 'urn:a:s', key: 'subscription' })
  assert.deepEqual(raiser('https://weather.example:8443/cap'), { kind: 'feed', name: 'weather.example', key: 'weather.example' })
  assert.equal(raiser('').kind, 'other')
})

test('bars that touch lie in rows of their own, and none leaves the picture', () => {
  const early = alarm({ validFrom: '2026-11-20T00:00:00Z' })
  const late = { ...alarm({ dateIssued: '2026-11-21T11:00:00Z' }), id: 'b' }
  const gone = { ...alarm({ validTo: '2026-11-20T01:00:00Z', validFrom: '2026-11-20T00:00:00Z', dateIssued: '2026-11-20T00:00:00Z' }), id: 'c' }
  const drawn = bars([late, early, gone], NOW - 24 * HOUR, NOW)
  assert.deepEqual(drawn.map((one) => one.row), [0, 1])
  assert.ok(drawn.every((one) => one.from >= 0 && one.to <= 1 && one.to > one.from))
})

test('marks are whole hours within the time shown', () => {
  const found = marks(NOW - 24 * HOUR, NOW)
  assert.ok(found.length >= 4 && found.length <= 9)
  assert.ok(found.every((at) => at % HOUR === 0 && at >= NOW - 24 * HOUR && at <= NOW))
})

test('the hub is asked for what runs and what ended lately', () => {
  assert.equal(wanted(NOW), '!validTo|validTo>2026-11-21T12:00:00.000Z|status=="open"')
})
