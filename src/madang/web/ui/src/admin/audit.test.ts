import assert from 'node:assert/strict'
import { test } from 'node:test'

import { askedOf, instantOf, linesOf } from './audit.ts'

test('a search asks for what its address says, and for nothing that is empty', () => {
  const address = new URLSearchParams('actor=person:1&kind=&before=40&tab=x')
  assert.deepEqual(askedOf((name) => address.get(name) ?? ''), { actor: 'person:1', before: '40' })
})

test('a time of the reader becomes one of the hub', () => {
  assert.equal(instantOf('2026-11-21T12:00'), new Date('2026-11-21T12:00').toISOString())
  assert.equal(instantOf('yesterday'), '')
})

test('an export has the records of all pages', async () => {
  const pages = [{ records: [{ a: 3 }, { a: 2 }], next: { before: 2 } }, { records: [{ a: 1 }] }]
  const asked: (number | undefined)[] = []
  const counts: number[] = []
  const lines = await linesOf(
    async (before) => (asked.push(before), pages[asked.length - 1] as (typeof pages)[0]),
    (count) => counts.push(count),
  )
  assert.equal(lines.join(''), '{"a":3}\n{"a":2}\n{"a":1}\n')
  assert.deepEqual(asked, [undefined, 2])
  assert.deepEqual(counts, [2, 3])
})
