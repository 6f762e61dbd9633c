import assert from 'node:assert/strict'
import { test } from 'node:test'

import { flagKind, kindOf, parametersOf, parsed, readForm, written } from './values.ts'

test('values are written and read back as what they are', () => {
  for (const value of [1.5, -3, true, false, 'text', { a: [1] }, [1, 2]]) {
    assert.deepEqual(parsed(written(value), kindOf(value)), value)
  }
  assert.equal(parsed('', 'number'), undefined)
  assert.equal(parsed('12x', 'number'), undefined)
  assert.equal(parsed('{', 'json'), undefined)
})

const SCHEMA = {
  type: 'object',
  required: ['level', 'mode'],
  properties: {
    level: { type: 'number', minimum: 0, maximum: 1, description: 'Share of the full light', unitCode: 'P1' },
    seconds: { type: 'integer', minimum: 1 },
    mode: { enum: ['slow', 2] },
    on: { type: 'boolean' },
    more: { type: 'object' },
  },
}

test('a schema of parameters becomes fields with their limits', () => {
  const [level, seconds, mode, on, more] = parametersOf(SCHEMA)
  assert.deepEqual([level?.kind, level?.least, level?.most, level?.isNeeded, level?.unitCode], ['number', 0, 1, true, 'P1'])
  assert.deepEqual([seconds?.isWhole, seconds?.step, seconds?.isNeeded], [true, 1, false])
  assert.deepEqual([mode?.kind, mode?.choices, mode?.text], ['choice', ['slow', 2], '0'])
  assert.deepEqual([on?.kind, on?.text, more?.kind], ['boolean', 'false', 'json'])
  assert.deepEqual(parametersOf(undefined), [])
})

test('a form says its values, and what is wrong at which field', () => {
  const fields = parametersOf(SCHEMA)
  assert.deepEqual(readForm(fields, { level: '0.3', mode: '1', on: 'true' }), {
    values: { level: 0.3, mode: 2, on: true }, faults: {},
  })
  const { faults } = readForm(fields, { level: '2', seconds: '1.5', more: '{' })
  assert.deepEqual(faults, { level: 'high', seconds: 'whole', mode: 'missing', more: 'wrong' })
  assert.equal(readForm(fields, { level: '-1', mode: '0' }).faults.level, 'low')
})

test('flags have colours, and an unknown one none', () => {
  assert.deepEqual(['good', 'suspect', 'fail', 'notEvaluated', 'x'].map(flagKind), ['good', 'warn', 'bad', 'quiet', 'quiet'])
})
