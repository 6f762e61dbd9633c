import assert from 'node:assert/strict'
import { test } from 'node:test'

import { answered, briefOf, byUrgency, fits, point, publicView, stepState } from './incidents.ts'
import type { Ask, IncidentDetail, Step } from './types.ts'

const NOW = Date.parse('2026-11-21T12:00:00Z')
const ALL = { status: '', severity: '', owner: '', words: '' }
const told = (words: string | Partial<Record<string, string>> | null) => (typeof words === 'string' ? words : (words?.en ?? ''))

function incident(more: Partial<IncidentDetail> = {}): IncidentDetail {
  return {
    id: 'urn:ngsi-ld:Incident:1', number: '1', status: 'open', severity: 'medium', category: 'flood', kind: 'flood',
    title: { en: 'Water', ko: '물' }, text: null, owner: '', reports: 1, location: null, area: '', public: false,
    startedAt: '2026-11-21T10:00:00Z', acknowledgedAt: null, resolvedAt: null, endedAt: null, mergedInto: null, publicTitle: null, alerts: [],
    refersTo: [], playbook: '', steps: [], escalations: [], agencies: {}, handOver: [], timeline: [], ...more,
  }
}

function step(more: Partial<Step> = {}): Step {
  return { name: 's', title: { en: 'S', ko: 'S' }, text: null, ask: null, due: null, overdue: false, done: null, by: '', value: null, ...more }
}

test('open ones come first, then the gravest, then the newest', () => {
  const closed = incident({ status: 'closed', severity: 'critical' })
  const low = incident({ severity: 'low' })
  const high = incident({ severity: 'high' })
  const newer = incident({ severity: 'low', startedAt: '2026-11-21T11:00:00Z' })
  assert.deepEqual([closed, low, newer, high].toSorted(byUrgency), [high, newer, low, closed])
})

test('a filter knows what is active and what nobody owns', () => {
  assert.ok(!fits(incident({ status: 'closed' }), { ...ALL, status: 'active' }, told))
  assert.ok(fits(incident(), { ...ALL, owner: '-', words: 'WATER' }, told))
  assert.ok(!fits(incident({ owner: 'Kim' }), { ...ALL, owner: '-' }, told))
  assert.ok(fits(incident({ area: { en: 'Yard-dong', ko: '마당동' } }), { ...ALL, words: 'yard' }, told))
  assert.ok(!fits(incident(), { ...ALL, severity: 'high' }, told))
})

test('a step is overdue when its time is over, even before the hub says so', () => {
  assert.equal(stepState(step({ due: '2026-11-21T11:59:00Z' }), NOW), 'overdue')
  assert.equal(stepState(step({ due: '2026-11-21T12:30:00Z' }), NOW), 'due')
  assert.equal(stepState(step({ done: '2026-11-21T11:00:00Z', overdue: true }), NOW), 'done')
  assert.equal(stepState(step(), NOW), 'open')
})

test('answers have the kind that a step asks for', () => {
  const ask = (kind: Ask['kind']) => step({ ask: { question: { en: '?', ko: '?' }, kind, unit: '', choices: {} } })
  assert.equal(answered(ask('number'), ' 42 '), 42)
  assert.equal(answered(ask('number'), 'deep'), undefined)
  assert.equal(answered(ask('yesNo'), 'no'), false)
  assert.equal(answered(ask('text'), 'dry'), 'dry')
  assert.equal(answered(step(), 'x'), undefined)
})

test('the public sees the public title and only public notes', () => {
  const shown = publicView(
    incident({
      publicTitle: { en: 'Road closed', ko: '통제' },
      timeline: [{ at: '', what: 'note', text: { en: 'a', ko: 'a' }, by: 'Kim' }, { at: '', what: 'note', text: { en: 'b', ko: 'b' }, public: true }],
    }),
  )
  assert.equal(shown.title.en, 'Road closed')
  assert.deepEqual(shown.notes.map((one) => one.text?.en), ['b'])
})

test('the next shift is told what is undone and who still has to come', () => {
  const brief = briefOf(
    incident({
      steps: [step({ done: '2026-11-21T11:00:00Z' }), step({ name: 'left' })],
      agencies: { fire: { state: 'dispatched', at: '' }, police: { state: 'done', at: '' } },
    }),
  )
  assert.deepEqual(brief.undone.map((one) => one.name), ['left'])
  assert.deepEqual(brief.waiting, [['fire', 'dispatched']])
})

test('a place is two numbers on earth', () => {
  assert.deepEqual(point('126.98', '37.57'), [126.98, 37.57])
  assert.equal(point('37.57', '126.98'), undefined)
  assert.equal(point('', ''), undefined)
})
