import assert from 'node:assert/strict'
import { test } from 'node:test'

import { decode, within } from './decode.ts'

// The same bytes as in tests/web/test_live_frames.py.
const VECTOR = [
  '010100000200000000b8e70880aa7942f43be618f83be918010100008c000000f63be7180600000002000000',
  '01000000020000000000e00880aa7942020000000100000081a9b24b80a9b24bc20b5a16c00b5a160000c07f',
  '00006040010004006672656501000000070075726e3aed959c07000000080000000000000003000000010000',
  '000100000000000000000000000000000003000000012eb69401175bca000000c0050075726e3a63',
].join('')

function bytes(hex: string): ArrayBuffer {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16)).buffer
}

test('a message says what the hub has written', () => {
  const message = decode(bytes(VECTOR))
  assert.equal(message.look, 2)
  assert.equal(message.sent, 1763755200123.5)
  assert.deepEqual(message.area, { x0: 15348, y0: 6374, x1: 15352, y1: 6377 })
  const [block] = message.blocks
  assert.ok(block)
  assert.equal(block.layer, 1)
  assert.equal(block.isAnew, true)
  const [news, whole] = block.sections
  assert.ok(news && whole)
  assert.equal(news.cell, 15350 * 65536 + 6375)
  assert.equal(news.isWhole, false)
  assert.equal(news.at, 1763755200000)
  assert.deepEqual([...news.numbers], [2, 1])
  assert.deepEqual(news.ids, ['urn:한'])
  assert.deepEqual(news.words, ['free', ''])
  assert.deepEqual([...news.value], [NaN, 3.5])
  assert.deepEqual([...news.gone], [7, 8])
  const places = [...news.lonlat].map((degrees) => Math.round(degrees * 1e7))
  assert.deepEqual(places, [1270000001, 375000002, 1270000000, 375000000])
  assert.equal(whole.isWhole, true)
  assert.equal(whole.words, undefined)
  assert.deepEqual(whole.ids, ['urn:c'])
  assert.deepEqual([...whole.value], [-2])
})

test('a message that ends too early, or of another version, is refused', () => {
  assert.throws(() => decode(bytes(VECTOR.slice(0, 200))), RangeError)
  assert.throws(() => decode(bytes('02' + VECTOR.slice(2))), /version 2/)
})

test('an area may go over the antimeridian', () => {
  const area = { x0: 17990, y0: 10, x1: 5, y1: 20 }
  assert.ok(within(area, 17995 * 65536 + 10))
  assert.ok(within(area, 2 * 65536 + 20))
  assert.ok(!within(area, 100 * 65536 + 15))
  assert.ok(!within(area, 2 * 65536 + 21))
})
