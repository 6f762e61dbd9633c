import assert from 'node:assert/strict'
import { test } from 'node:test'

import { faultLine } from './playbooks.ts'

const TEXT = `title = { en = "Flood", ko = "침수" }
applies_to = ["flood"]
notify = ["kim"]

[[steps]]
name = "barrier"
title = { en = "Close it" }

[[steps]]
name = "depth"
title = { en = "Measure", ko = "측정" }
[steps.ask]
kind = "number"
`

test('what is no TOML names its line itself', () => {
  assert.equal(faultLine(TEXT, 'the playbook is no TOML: Invalid value (at line 3, column 9)'), 3)
  assert.equal(faultLine(TEXT, 'the playbook is no TOML: Unclosed array (at end of document)'), 14)
})

test('what is no playbook is found by its place: the key, or the table that lacks it', () => {
  assert.equal(faultLine(TEXT, 'applies_to.0: String should have at least 1 character'), 2)
  assert.equal(faultLine(TEXT, 'steps.0.title.ko: Field required'), 7)
  assert.equal(faultLine(TEXT, 'steps.1.ask.question: Field required'), 12)
  assert.equal(faultLine(TEXT, 'steps.1.due: Extra inputs are not permitted'), 9)
})

test('a contact that is none is found where it is named', () => {
  assert.equal(faultLine(TEXT, 'the playbook names kim, who is no contact; add them'), 3)
})

test('a message about all of it has no line', () => {
  assert.equal(faultLine(TEXT, 'a playbook has at most 65,536 bytes'), undefined)
  assert.equal(faultLine(TEXT, 'colour: Extra inputs are not permitted'), undefined)
})
