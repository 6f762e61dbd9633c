import assert from 'node:assert/strict'
import { test } from 'node:test'

import { changedOptions, faultyOption, optionsOf, readOptions, textsOf } from './options.ts'
import { nameOf, conditionOf, plainOf, plainText, plainsOf, plainsText, TEMPLATES, titleIn, titleOf, withCondition, withDeed, withField, withPart } from './rule_form.ts'
import { ruleToml, toml } from './toml.ts'

const SCHEMA = {
  properties: {
    scale: { type: 'string', enum: ['cai', 'eu'], default: 'cai', title: 'Scale', ko: '지수', description: 'Which.' },
    cell_km: { type: 'number', minimum: 0.05, maximum: 50, default: 0.5, title: 'Cell', ko: '격자', description: 'Side. [km]' },
    days: { type: 'integer', minimum: 1, maximum: 366, default: 7, title: 'Days', description: 'So many. [1]' },
    types: { type: 'array', items: { type: 'string' }, default: [], title: 'Types', description: '' },
    bands: { type: 'array', items: { type: 'array' }, default: [[9, 12]], title: 'Bands', description: '' },
    depot: { anyOf: [{ type: 'array' }, { type: 'null' }], default: null, title: 'Depot', description: '' },
    to: { type: 'string', default: '', title: 'Tell', description: '' },
    rules: { type: 'object', default: {}, title: 'Rules', description: '' },
  },
}
const VALUES = { scale: 'eu', cell_km: 0.5, days: 7, types: ['A', 'B'], bands: [[9, 12]], depot: null, to: '' }

test('a form asks for every option, with its unit and the words of both languages', () => {
  const options = optionsOf(SCHEMA, ['rules'])
  assert.deepEqual(options.map((one) => one.name), ['scale', 'cell_km', 'days', 'types', 'bands', 'depot', 'to'])
  assert.deepEqual(options.map((one) => one.unit), ['', 'km', '', '', '', '', ''])
  assert.equal(options[1]?.about, 'Side.')
  assert.deepEqual([options[0]?.korean, options[2]?.korean], ['지수', 'Days'])
})

test('what a form says is what stood there', () => {
  const options = optionsOf(SCHEMA, ['rules'])
  const { values, faults } = readOptions(options, textsOf(options, VALUES))
  assert.deepEqual(faults, {})
  assert.deepEqual(values, VALUES)
  assert.deepEqual(changedOptions({ ...values, days: 8 }, VALUES), { days: 8 })
})

test('what is wrong is told at its field', () => {
  const options = optionsOf(SCHEMA, ['rules'])
  const texts = { ...textsOf(options, VALUES), cell_km: '51', days: '1.5', bands: '[[9' }
  assert.deepEqual(readOptions(options, texts).faults, { cell_km: 'high', days: 'whole', bands: 'wrong' })
  assert.deepEqual(readOptions(options, { ...texts, cell_km: '' }).faults.cell_km, 'missing')
  assert.equal(faultyOption('cell_km: Input should be less', options), 'cell_km')
  assert.equal(faultyOption('bands.0: Input should be', options), 'bands')
  assert.equal(faultyOption('something else', options), '')
})

test('a rule is written in the order in which people read it', () => {
  const rule = { alert: { severity: 'high', title: 'a "b"' }, above: 80, type: 'Air', attribute: 'pm10', near: { point: [127, 37.5], metres: 500 }, title: { en: 'Dust', ko: '먼지' } }
  assert.equal(
    ruleToml('fine-dust', rule),
    `[fine-dust]
title = {en = "Dust", ko = "먼지"}
type = "Air"
attribute = "pm10"
above = 80
near = {point = [127, 37.5], metres = 500}

[fine-dust.alert]
severity = "high"
title = "a \\"b\\""
`,
  )
})

test('values are written as TOML has them', () => {
  assert.equal(toml('a\nb\x7f\\'), '"a\\nb\\u007F\\\\"')
  assert.equal(toml([1, true, 'x', { 'a b': null, c: 1e21 }]), '[1, true, "x", {c = 1e+21}]')
  assert.equal(toml(-0), '-0.0')
  assert.equal(toml('a\uD800b😀'), '"a\uFFFDb😀"')
  assert.equal(ruleToml('a b', { alert: 3 }), '["a b"]\nalert = 3\n')
})

test('another condition takes away what does not go with it', () => {
  const rule = { type: 'A', attribute: 'x', above: 80, back: 60, for: '5m', alert: {} }
  assert.equal(conditionOf(rule), 'above')
  assert.deepEqual(withCondition(rule, 'below'), { type: 'A', attribute: 'x', below: 80, for: '5m', alert: {} })
  assert.deepEqual(withCondition(rule, 'rises'), { type: 'A', attribute: 'x', rises: 80, within: '10m', for: '5m', alert: {} })
  assert.deepEqual(withCondition(rule, 'silent'), { type: 'A', attribute: 'x', silent: '2h', alert: {} })
  const place = withCondition(rule, 'place')
  assert.equal(conditionOf(place), 'place')
  assert.ok(!('attribute' in place))
  assert.deepEqual(withCondition({ type: 'A', is: [1, 2] }, 'is_not'), { type: 'A', is_not: [1, 2] })
})

test('fields that are emptied go', () => {
  assert.deepEqual(withField({ a: 1, b: 2 }, 'a', ''), { b: 2 })
  assert.deepEqual(withPart({ alert: { severity: 'low' } }, 'alert', 'kind', 'fire'), { alert: { severity: 'low', kind: 'fire' } })
  assert.deepEqual(withDeed({ alert: {} }, 'alert', false), {})
  assert.deepEqual(withDeed({ notify: { to: 'x' } }, 'notify', true), { notify: { to: 'x' } })
})

test('what is typed is a number, true or false where it looks so', () => {
  for (const value of ['open', 12, -0.5, true, false, '12', 'true', '']) assert.equal(plainOf(plainText(value)), value)
  assert.deepEqual(plainsOf('free, 3, "4"'), ['free', 3, '4'])
  assert.equal(plainsText(['free', 3, '4']), 'free, 3, "4"')
  assert.equal(plainsOf('open'), 'open')
})

test('one title stands for both languages', () => {
  assert.equal(titleOf('Dust', ''), 'Dust')
  assert.deepEqual(titleOf('Dust', '먼지'), { en: 'Dust', ko: '먼지' })
  assert.equal(titleOf('', ''), undefined)
  assert.equal(titleIn({ en: 'Dust', ko: '먼지' }, 'ko'), '먼지')
  assert.equal(nameOf('Much dust, 2nd floor!'), 'much-dust-2nd-floor')
  assert.equal(nameOf('먼지'), 'new-rule')
})

test('every template is a rule with a condition and a deed', () => {
  for (const { name, rule } of Object.values(TEMPLATES)) {
    assert.notEqual(conditionOf(rule), '')
    assert.match(ruleToml(name, rule), /^\[[a-z-]+\]\ntitle = /)
  }
})
