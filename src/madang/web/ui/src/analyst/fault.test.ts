import assert from 'node:assert/strict'
import { test } from 'node:test'

import { faultOf, spanOf } from './fault.ts'

const SQL = 'SELECT a\nFROM t\nWHERE pm2500 > 3'

test('the word that is wrong is found in the question', () => {
  const fault = faultOf('no column "pm2500"\n\nLINE 3: WHERE pm2500 > 3\n              ^')
  assert.deepEqual(fault, { text: 'no column "pm2500"', line: 3, column: 6 })
  assert.equal(SQL.slice(...spanOf(SQL, 3, 6)), 'pm2500')
})

test('of a long line, and of words without a place, less is known', () => {
  assert.deepEqual(faultOf('wrong\n\nLINE 3: ...pm2500 > 3\n           ^'), { text: 'wrong', line: 3 })
  assert.equal(SQL.slice(...spanOf(SQL, 3)), 'WHERE pm2500 > 3')
  assert.deepEqual(faultOf('it took more than 30 s'), { text: 'it took more than 30 s' })
})
