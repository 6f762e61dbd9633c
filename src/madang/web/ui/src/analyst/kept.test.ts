import assert from 'node:assert/strict'
import { test } from 'node:test'

import { EXAMPLES, possible } from './examples.ts'
import { withNewest, type Kept } from './kept.ts'

test('the last ten questions are kept, each once, the newest first', () => {
  const question = (n: number): Kept => ({ title: `${n}`, parameters: { sql: `SELECT ${n}` } })
  let kept: Kept[] = []
  for (let n = 0; n < 12; n++) kept = withNewest(kept, question(n))
  kept = withNewest(kept, question(5))
  assert.equal(kept.length, 10)
  assert.deepEqual(kept.slice(0, 3).map((one) => one.title), ['5', '11', '10'])
})

test('examples are offered where their tables are', () => {
  assert.deepEqual(possible([]), [])
  const column = (name: string) => ({ name, type: '', unit: '', about: '' })
  const found = possible([{ name: 'history', about: '', columns: [column('attribute')] }])
  assert.deepEqual(found.map((one) => one.table), ['history'])
  assert.ok(EXAMPLES.every((one) => one.sql.includes(one.table)))
})
