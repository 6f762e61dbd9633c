import assert from 'node:assert/strict'
import { test } from 'node:test'

import { bodyOf, hex } from './body.ts'
import { figuresOf, quantile, rateOf, sumOf } from './figures.ts'
import { batteryShare, csv, exampleFields, goodShare, healthOf, targets, waysToSend } from './health.ts'
import { lastSent } from './past.ts'
import { lineInTrouble, lineOf } from './toml_lines.ts'

const FINE = { deviceState: 'active', silent: false, lastHeard: '2026-01-31T00:00:00Z', quality: { good: 9 }, battery: 0.8 }

test('the most urgent thing is said of a device', () => {
  assert.equal(healthOf(FINE), 'fine')
  assert.equal(healthOf({ ...FINE, silent: true, battery: 0.1 }), 'silent')
  assert.equal(healthOf({ ...FINE, lastHeard: null }), 'unheard')
  assert.equal(healthOf({ ...FINE, battery: 12 }), 'battery')
  assert.equal(healthOf({ ...FINE, quality: { good: 8, fail: 1, notEvaluated: 90 } }), 'doubtful')
  assert.equal(healthOf({ ...FINE, deviceState: 'retired', silent: true }), 'retired')
})

test('what was not tested is no part of the share of good values', () => {
  assert.equal(goodShare({ good: 3, suspect: 1, notEvaluated: 50 }), 0.75)
  assert.equal(goodShare({ notEvaluated: 5 }), undefined)
  assert.equal(goodShare({}), undefined)
})

test('a battery is a share, also if told in per cent', () => {
  assert.deepEqual([0.5, 1, 55, 140, -1, null].map((one) => batteryShare(one)), [0.5, 1, 0.55, 1, undefined, undefined])
})

test('targets are the ids of the profile with the name put in', () => {
  assert.deepEqual(targets(['urn:ngsi-ld:Air:{device}'], 'a-1'), ['urn:ngsi-ld:Air:a-1'])
})

test('example fields are those that messages have', () => {
  const toml = '[attributes]\nplace = { value = "outdoor" }\nlevel = { path = "lv", unit = "P1" }\nrssi = { target = "device" }\nair = {}\n'
  assert.deepEqual(exampleFields(toml), ['lv', 'air'])
  assert.deepEqual(exampleFields('[entity.attributes.pm25]\nunit = "GQ"\n'), ['pm25'])
  assert.deepEqual(exampleFields('type = "X"'), [])
})

test('the lines to copy hold the name, the key and a body of JSON', () => {
  const { http, mqtt } = waysToSend('http://h:80', 'h', 'a:1', 'mdg_x', ['pm25'])
  assert.equal(http, `curl http://h:80/devices/a%3A1/up -H "Authorization: Bearer mdg_x" -d '{"values":{"pm25":21.5}}'`)
  assert.match(mqtt, /-u a:1 -P "mdg_x" -t v1\/devices\/a:1\/up/)
})

test('CSV quotes what would break it', () => {
  assert.equal(csv([['a', 'b"c'], ['1,2', 3]]), '\uFEFFa,"b""c"\r\n"1,2",3\r\n')
})

test('a body is shown as bytes, and as JSON if it is some', () => {
  const body = bodyOf({ text: '{"a":1}' })
  assert.equal(body.json, '{\n  "a": 1\n}')
  assert.equal(bodyOf({ text: 'n/a' }).json, undefined)
  const binary = bodyOf({ base64: '/wBB' })
  assert.equal(binary.text, undefined)
  assert.match(hex(binary.bytes), /^0000  ff 00 41 +\.\.A$/)
  assert.equal(hex(new Uint8Array(17)).split('\n').length, 2)
})

test('a member is found at its line, or at the table that it is in', () => {
  const toml = 'kind = "plain"\nurl = "x"\n\n[mapping]\ntype = "A"\n[mapping.columns.pm25]\nfrom = "b"\n[[mapping.more]]\n'
  assert.equal(lineOf(toml, 'url'), 2)
  assert.equal(lineOf(toml, 'mapping.columns.pm25.unit'), 6)
  assert.equal(lineOf(toml, 'mapping.none'), 4)
  assert.equal(lineOf(toml, 'every'), undefined)
  assert.equal(lineInTrouble(toml, 'the feed a is not valid TOML: Invalid value (at line 3, column 5)'), 3)
  assert.equal(lineInTrouble(toml, 'the feed a: url.0: is no http or https URL'), 2)
  assert.equal(lineInTrouble(toml, 'the feed a: mapping: is missing'), 4)
  assert.equal(lineInTrouble('\nkind = "plane"', "there is no kind 'plane' of feed; did you mean 'plain'?"), 2)
  assert.equal(lineInTrouble(toml, 'something else'), undefined)
})

const TEXT = `# HELP madang_operations Operations
madang_operations_total{tenant="default"} 100.0
madang_operations_total{tenant="b \\"x\\""} 20.0
process_start_time_seconds 1.7e+09
some NaN
req_bucket{le="0.01"} 90.0
req_bucket{le="0.1"} 99.0
req_bucket{le="+Inf"} 100.0
`

test('figures are read with their labels and summed', () => {
  const figures = figuresOf(TEXT)
  assert.equal(sumOf(figures, 'madang_operations_total'), 120)
  assert.equal(sumOf(figures, 'process_start_time_seconds'), 1.7e9)
  assert.equal(sumOf(figures, 'some'), undefined)
  assert.equal(figures.get('madang_operations_total')?.[0]?.labels.tenant, 'default')
})

test('rates need two readings, and none is told over a restart', () => {
  const before = { at: 10, figures: figuresOf('a_total 100') }
  assert.equal(rateOf(before, { at: 14, figures: figuresOf('a_total 140') }, 'a_total'), 10)
  assert.equal(rateOf(before, { at: 14, figures: figuresOf('a_total 4') }, 'a_total'), undefined)
  assert.equal(rateOf(undefined, before, 'a_total'), undefined)
})

test('a quantile is the bound of its bucket', () => {
  const figures = figuresOf(TEXT)
  assert.equal(quantile(figures, 'req', 0.5), 0.01)
  assert.equal(quantile(figures, 'req', 0.95), 0.1)
  assert.equal(quantile(figures, 'req', 0.999), Infinity)
  assert.equal(quantile(figures, 'none', 0.5), undefined)
})

test('values of one time came in one message, the newest first', () => {
  const one = { id: 'urn:a:1', type: 'A', pm25: { values: [[9, '2026-01-31T00:02:00Z'], [8, '2026-01-31T00:01:00Z']] }, pm10: { values: [[19, '2026-01-31T00:02:00Z']] } }
  const two = { id: 'urn:d:1', type: 'D', rssi: [{ values: [[-90, '2026-01-31T00:03:00Z']] }] }
  assert.deepEqual(lastSent([one, two], 2), [
    { at: '2026-01-31T00:03:00Z', entity: 'urn:d:1', values: [['rssi', -90]] },
    { at: '2026-01-31T00:02:00Z', entity: 'urn:a:1', values: [['pm25', 9], ['pm10', 19]] },
  ])
})
