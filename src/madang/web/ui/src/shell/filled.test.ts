import assert from 'node:assert/strict'
import { test } from 'node:test'

import { filled } from './filled.ts'

test('a word has a form for one and a form for any other number', () => {
  const feeds = (count: string | number): string => filled('{count} {count:feed|feeds}', { count })
  assert.deepEqual([feeds(0), feeds(1), feeds('1'), feeds(2), feeds('1,000')], [
    '0 feeds', '1 feed', '1 feed', '2 feeds', '1,000 feeds',
  ])
})

test('a form may be nothing', () => {
  const text = filled('{count} {count:kind needs|kinds need} somebody{count:|, soon}', { count: 1 })
  assert.equal(text, '1 kind needs somebody')
})

test('a place without its value is shown, so that it is found', () => {
  assert.equal(filled('{size} of {count} {count:byte|bytes}', { size: 3 }), '3 of {count} {count:byte|bytes}')
})
