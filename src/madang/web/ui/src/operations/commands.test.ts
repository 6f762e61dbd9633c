import assert from 'node:assert/strict'
import { test } from 'node:test'

import { groupOf, inShort, lifeOf, limitsOf, mayDo } from './commands.ts'
import type { Command } from './types.ts'

const KIM = 'person:kim'
const LEE = 'person:lee'

function command(more: Partial<Command> = {}): Command {
  return {
    id: 'urn:ngsi-ld:Command:person-kim:1:1', target: 'urn:ngsi-ld:Gate:north', name: 'open', parameters: {}, status: 'waiting',
    requestedBy: KIM, requestedAt: '2026-11-21T10:00:00Z', approvedBy: [], ...more,
  }
}

test('who has asked cannot agree but can call it off; another can agree once', () => {
  assert.deepEqual(mayDo(command(), KIM, true), { approve: false, refuse: false, cancel: true, revert: false, why: 'own' })
  assert.ok(mayDo(command(), LEE, true).approve)
  assert.equal(mayDo(command({ approvedBy: [LEE] }), LEE, true).why, 'agreed')
  assert.ok(!mayDo(command(), LEE, false).approve)
})

test('only what may have been done can be taken back, and only once', () => {
  assert.ok(mayDo(command({ status: 'done' }), LEE, true).revert)
  assert.ok(!mayDo(command({ status: 'failed' }), LEE, true).revert)
  assert.ok(!mayDo(command({ status: 'timedOut' }), LEE, true).revert)
  assert.ok(mayDo(command({ status: 'timedOut', sentAt: '2026-11-21T10:00:01Z' }), LEE, true).revert)
  assert.ok(!mayDo(command({ status: 'done', revertedBy: KIM }), LEE, true).revert)
  assert.ok(!mayDo(command({ status: 'done', reverts: 'urn:x' }), LEE, true).revert)
})

test('the life of a command has its states, who agreed and what is ahead, in order', () => {
  const found = lifeOf(
    command({
      status: 'done', approvedBy: [LEE], revertDue: true, revertAt: '2026-11-21T11:00:00Z', sentAt: '2026-11-21T10:05:01Z',
      endedAt: '2026-11-21T10:05:02Z',
    }),
    {
      status: { values: [['sent', '2026-11-21T10:05:01Z'], ['done', '2026-11-21T10:05:02Z'], ['requested', '2026-11-21T10:00:00Z'], ['waiting', '2026-11-21T10:00:00.1Z']] },
      approvedBy: { values: [[[LEE], '2026-11-21T10:05:00Z']] },
    },
    Date.parse('2026-11-21T10:30:00Z'),
  )
  assert.deepEqual(found.map((one) => one.what), ['requested', 'waiting', 'approved', 'sent', 'done', 'willRevert'])
  assert.equal(found[0]?.who, KIM)
  assert.ok(found[5]?.isAhead)
})

test('without history the life is what the command itself tells', () => {
  const found = lifeOf(command({ status: 'cancelled', endedAt: '2026-11-21T10:01:00Z', endedBy: KIM }))
  assert.deepEqual(found.map((one) => [one.what, one.who]), [['requested', KIM], ['cancelled', KIM]])
})

test('parameters stand beside their limits, and those that were left out too', () => {
  const [level, colour] = limitsOf({ level: 0.3 }, { properties: { level: { minimum: 0, maximum: 1 }, colour: { enum: ['red'] } }, required: ['level'] })
  assert.deepEqual([level?.given, level?.least, level?.most, level?.isNeeded], [0.3, 0, 1, true])
  assert.deepEqual([colour?.given, colour?.choices], [undefined, ['red']])
  assert.equal(limitsOf({ x: 1 }, undefined)[0]?.name, 'x')
})

test('every state is in a group, and parameters fit on a line', () => {
  assert.equal(groupOf('timedOut'), 'failed')
  assert.equal(inShort({ level: 0.3, colour: 'red' }), 'level 0.3, colour red')
})
