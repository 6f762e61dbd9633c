import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { Block, Message, Section } from './decode.ts'
import { Held, type LiveLayer } from './held.ts'

const BUSES: LiveLayer = { name: 'buses', type: 'Vehicle', value: 'speed' }
const AREA = { x0: 0, y0: 0, x1: 9, y1: 9 }

function section(cell: number, points: Record<number, string>, more: Partial<Section> = {}): Section {
  const numbers = Object.keys(points).map(Number)
  return {
    cell, isWhole: false, at: 5, numbers: Uint32Array.from(numbers), lonlat: new Float64Array(2 * numbers.length).fill(cell),
    value: new Float32Array(numbers.length), words: undefined, ids: Object.values(points).filter(Boolean), gone: new Uint32Array(), ...more,
  }
}

function message(look: number, sections: Section[], more: Partial<Message> = {}, block: Partial<Block> = {}): Message {
  return { look, sent: 0, area: AREA, blocks: [{ layer: 0, isAnew: false, sections, ...block }], ...more }
}

function looking(): Held {
  const held = new Held()
  held.look(1, [BUSES])
  held.take(message(1, [section(1, { 1: 'a', 2: 'b' }, { isWhole: true })], {}, { isAnew: true }))
  return held
}

test('the first frame of a layer is whole, later ones tell what is new', () => {
  const held = new Held()
  held.look(1, [BUSES])
  const [first] = held.take(message(1, [section(1, { 1: 'a', 2: 'b' })], {}, { isAnew: true }))
  assert.equal(first?.isWhole, true)
  assert.deepEqual(first?.ids, ['a', 'b'])
  const [next] = held.take(message(1, [section(1, { 2: '' }, { gone: Uint32Array.of(1), at: 9 })]))
  assert.equal(next?.isWhole, false)
  assert.deepEqual([next?.ids, next?.gone, next?.at], [['b'], ['a'], 9])
})

test('what moves to another cell has not gone', () => {
  const [frame] = looking().take(message(1, [section(1, {}, { gone: Uint32Array.of(1) }), section(2, { 1: 'a' })]))
  assert.deepEqual([frame?.ids, frame?.gone], [['a'], []])
})

test('a whole cell replaces what was in it', () => {
  const [frame] = looking().take(message(1, [section(1, { 2: 'b', 3: 'c' }, { isWhole: true })]))
  assert.deepEqual([frame?.ids, frame?.gone], [['b', 'c'], ['a']])
})

test('what is out of view has gone, even if nothing else is told', () => {
  const held = looking()
  held.look(2, [BUSES])
  const [frame] = held.take({ look: 2, sent: 0, area: { x0: 5, y0: 5, x1: 9, y1: 9 }, blocks: [] })
  assert.deepEqual(frame?.gone.sort(), ['a', 'b'])
})

test('a layer that shows something else begins anew, and the old one is told no more', () => {
  const held = looking()
  held.look(2, [{ ...BUSES, q: 'speed>30' }])
  assert.deepEqual(held.take(message(1, [section(1, { 2: '' })])), [])
  const [frame] = held.take(message(2, [section(1, { 1: 'c' })], {}, { isAnew: true }))
  assert.deepEqual([frame?.isWhole, frame?.ids], [true, ['c']])
})

test('layers that go on keep what they had, whatever their place', () => {
  const held = looking()
  held.look(2, [{ name: 'bikes', type: 'Bike' }, BUSES])
  const [frame] = held.take(message(2, [section(1, { 1: '' })], {}, { layer: 1 }))
  assert.deepEqual([frame?.layer, frame?.ids], ['buses', ['a']])
})

test('after a loss all begins anew', () => {
  const held = looking()
  held.lose()
  held.look(1, [BUSES])
  const [frame] = held.take(message(1, [section(1, { 7: 'b' })], {}, { isAnew: true }))
  assert.deepEqual([frame?.isWhole, frame?.ids], [true, ['b']])
})

test('words come with their points', () => {
  const [frame] = looking().take(message(1, [section(1, { 1: '', 2: '' }, { words: ['free', ''] })]))
  assert.deepEqual(frame?.text, ['free', ''])
})
