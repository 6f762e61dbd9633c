import assert from 'node:assert/strict'
import { test } from 'node:test'

import { byNeed, failingFeeds, failingServices, rate, type Need } from './needs.ts'

test('what needs somebody comes first, and what is not known before what is well', () => {
  const need = (key: string, count: number | undefined, kind: 'bad' | 'warn' = 'warn'): Need => ({ key, count, path: '/', kind })
  const sorted = byNeed([need('well', 0), need('unknown', undefined), need('some', 2), need('grave', 1, 'bad'), need('more', 1)])
  assert.deepEqual(sorted.map((one) => one.key), ['grave', 'some', 'more', 'unknown', 'well'])
})

test('two pulses tell how fast changes come', () => {
  const at = (second: number): string => new Date(second * 1000).toISOString()
  assert.equal(rate({ position: 10, at: at(0) }, { position: 30, at: at(2) }), 10)
  assert.equal(rate({ position: 10, at: at(0) }, { position: 10, at: at(0) }), undefined)
  assert.equal(rate({ position: 10, at: at(0) }, { position: 3, at: at(2) }), undefined)
})

test('a feed or service fails that is on and in trouble', () => {
  assert.equal(failingFeeds([
    { on: true, alarm: false, trouble: null }, { on: true, alarm: false, trouble: 'late' }, { on: false, alarm: true, trouble: 'gone' },
  ]), 1)
  assert.equal(failingServices([{ state: 'running', alarm: null }, { state: 'failed', alarm: null }, { state: 'running', alarm: 'urn:a' }]), 2)
})
