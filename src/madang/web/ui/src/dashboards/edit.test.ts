import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as edit from './edit.ts'
import type { Dashboard, Tile } from './types.ts'

const tile = (title: string): Tile => ({ kind: 'number', title: { en: title }, type: 'A', attribute: 'a' })
const board: Dashboard = { title: { en: 'B' }, tiles: [tile('1'), tile('2'), tile('3')] }
const titles = (one: Dashboard): string => (one.tiles ?? []).map((each) => each.title.en).join('')

test('what was done is undone and done again, step by step', () => {
  let draft = edit.begin(board)
  draft = edit.changed(draft, edit.removed(draft.now, 0))
  draft = edit.changed(draft, edit.moved(draft.now, 0, 1))
  assert.equal(titles(draft.now), '32')
  draft = edit.undone(draft)
  assert.equal(titles(draft.now), '23')
  draft = edit.undone(edit.undone(draft))
  assert.equal(titles(draft.now), '123')
  draft = edit.redone(edit.redone(draft))
  assert.equal(titles(draft.now), '32')
})

test('a step that changes nothing is none', () => {
  assert.equal(edit.changed(edit.begin(board), { ...board }).past.length, 0)
})

test('a tile moves within the order only', () => {
  assert.equal(titles(edit.moved(board, 0, 99)), '231')
  assert.equal(titles(edit.moved(board, 2, -5)), '312')
  assert.equal(titles(edit.moved(board, 7, 0)), '123')
})

test('a tile grows and shrinks as far as the grid goes', () => {
  const grown = edit.resized(edit.resized(board, 0, 99, 99), 1, -99, -99)
  assert.deepEqual([grown.tiles?.[0]?.width, grown.tiles?.[0]?.height], [12, 8])
  assert.deepEqual([grown.tiles?.[1]?.width, grown.tiles?.[1]?.height], [1, 1])
})

test('a dashboard has fifty tiles at most', () => {
  let full = board
  for (let count = 0; count < 60; count++) full = edit.added(full, tile('x'))
  assert.equal(full.tiles?.length, edit.MOST_TILES)
})

test('a tile that becomes another kind keeps what that kind knows', () => {
  const table = edit.turned({ ...tile('1'), of: 'max', q: 'a>1' }, 'table')
  assert.deepEqual(table, { kind: 'table', title: { en: '1' }, type: 'A', q: 'a>1', columns: ['a'] })
})

test('what a tile lacks is named', () => {
  assert.equal(edit.lacking(edit.fresh('number', 'N', 'en')), 'type')
  assert.equal(edit.lacking({ ...edit.fresh('number', 'N', 'en'), type: 'A' }), 'attribute')
  assert.equal(edit.lacking({ ...edit.fresh('number', 'N', 'en'), type: 'A', of: 'count' }), undefined)
  assert.equal(edit.lacking(edit.fresh('text', 'N', 'ko')), undefined)
})

test('a title becomes a name for addresses', () => {
  assert.equal(edit.nameFrom('  Air in Winter! '), 'air-in-winter')
  assert.equal(edit.nameFrom('대기'), '')
})
