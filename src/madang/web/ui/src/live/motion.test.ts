import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { Frame } from './held.ts'
import { COLOUR, COLUMNS, mercator, Motion } from './motion.ts'

const GREY = (): [number, number, number] => [90, 100, 110]

function frame(points: Record<string, [number, number]>, more: Partial<Frame> = {}): Frame {
  const ids = Object.keys(points)
  const lonlat = Float64Array.from(Object.values(points).flat())
  return { layer: 'a', isWhole: false, ids, lonlat, value: new Float32Array(ids.length).fill(NaN), at: 0, gone: [], ...more }
}

function close(found: [number, number] | undefined, lon: number, lat: number): void {
  const [x, y] = mercator(lon, lat)
  assert.ok(found && Math.hypot(found[0] - x, found[1] - y) < 1e-10, `${found} is not at ${x},${y}`)
}

test('a point glides to its next position in the time its updates take', () => {
  const motion = new Motion(GREY, true)
  motion.take(frame({ a: [127, 37.5] }), 1000)
  motion.take(frame({ a: [127.001, 37.5] }), 1200)
  close(motion.where('a', 1200), 127, 37.5)
  close(motion.where('a', 1300), 127.0005, 37.5)
  close(motion.where('a', 1400), 127.001, 37.5)
  close(motion.where('a', 9000), 127.001, 37.5)
  assert.equal(motion.until, 1400)
})

test('an update in between goes on from where the point is drawn', () => {
  const motion = new Motion(GREY, true)
  motion.take(frame({ a: [127, 37.5] }), 1000)
  motion.take(frame({ a: [127.001, 37.5] }), 1200)
  motion.take(frame({ a: [127.002, 37.5] }), 1300)
  close(motion.where('a', 1300), 127.0005, 37.5)
  close(motion.where('a', 1400), 127.002, 37.5)
})

test('without gliding, and over large distances, it is there at once', () => {
  const still = new Motion(GREY, false)
  still.take(frame({ a: [127, 37.5] }), 1000)
  still.take(frame({ a: [127.001, 37.5] }), 1200)
  close(still.where('a', 1200), 127.001, 37.5)
  const motion = new Motion(GREY, true)
  motion.take(frame({ a: [127, 37.5] }), 1000)
  motion.take(frame({ a: [128, 37.5] }), 1200)
  close(motion.where('a', 1200), 128, 37.5)
})

test('what has gone is drawn no longer, and what a whole frame does not name', () => {
  const motion = new Motion(GREY, true)
  motion.take(frame({ a: [127, 37.5], b: [127.1, 37.5], c: [127.2, 37.5] }), 1000)
  motion.take(frame({}, { gone: ['a', 'unknown'] }), 1200)
  assert.deepEqual([...motion.ids].sort(), ['b', 'c'])
  close(motion.where('c', 1200), 127.2, 37.5)
  motion.take(frame({ b: [127.1, 37.5] }, { isWhole: true }), 1400)
  assert.deepEqual(motion.ids, ['b'])
})

test('it says once what has to be drawn anew', () => {
  const motion = new Motion(GREY, true)
  motion.take(frame({ a: [127, 37.5], b: [127.1, 37.5] }), 1000)
  assert.deepEqual(motion.changed(), [0, 1])
  assert.equal(motion.changed(), undefined)
  motion.take(frame({ b: [127.11, 37.5] }), 1200)
  assert.deepEqual(motion.changed(), [1, 1])
})

test('colours are kept as bytes, however many points come', () => {
  const motion = new Motion((value) => [value, 1, 2], true)
  const points = Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`p${i}`, [127 + i / 1e5, 37.5] as [number, number]]))
  motion.take(frame(points, { value: Float32Array.from({ length: 3000 }, (_, i) => i % 250) }), 1000)
  const bytes = new Uint8Array(motion.numbers.buffer)
  const at = (2999 * COLUMNS + COLOUR) * 4
  assert.deepEqual([...bytes.subarray(at, at + 4)], [2999 % 250, 1, 2, 255])
  motion.recolour(() => [9, 8, 7])
  assert.deepEqual([...bytes.subarray(at, at + 4)], [9, 8, 7, 255])
})

test('the nearest point to a place is found', () => {
  const motion = new Motion(GREY, true)
  motion.take(frame({ a: [127, 37.5], b: [127.01, 37.5] }), 1000)
  const [x, y] = mercator(127.0098, 37.5)
  assert.equal(motion.nearest(x, y, 1e-6, 1000), 'b')
  assert.equal(motion.nearest(x + 1e-5, y, 1e-6, 1000), undefined)
})

test('positions stay when they are counted from another place, and times from another time', () => {
  const motion = new Motion(GREY, true)
  motion.take(frame({ a: [127, 37.5], b: [10, 50] }), 1000)
  motion.near(...mercator(10, 50))
  close(motion.where('b', 1000), 10, 50)
  motion.take(frame({ b: [10.0001, 50] }), 3_600_000)
  close(motion.where('b', 3_602_000), 10.0001, 50)
  motion.take(frame({ b: [10.0003, 50] }), 3_603_000)
  close(motion.where('b', 3_603_750), 10.0002, 50)
})
