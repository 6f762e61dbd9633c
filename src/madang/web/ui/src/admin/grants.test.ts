import assert from 'node:assert/strict'
import { test } from 'node:test'

import { choiceOf, codeOf, concerns, curlOf, lineOf, listed, sentenceOf, shortNames, tenantsOf } from './grants.ts'

const POLICY = `// An operator looks after devices,
// and gives commands.
@id("act")
permit (principal in Madang::Role::"operator", action, resource);`

test('a list has each item once, whatever stands between', () => {
  assert.deepEqual(listed(' /Seoul/Water, /Seoul\n/Seoul,, '), ['/Seoul/Water', '/Seoul'])
  assert.deepEqual(listed(''), [])
})

test('tenants come back from a form as they went into it', () => {
  for (const tenants of [['*'], [''], ['', 'parks'], ['parks', 'port']]) {
    assert.deepEqual(tenantsOf(choiceOf(tenants)), tenants)
  }
})

test('a policy says what it does above itself', () => {
  assert.equal(sentenceOf(POLICY), 'An operator looks after devices, and gives commands.')
  assert.ok(codeOf(POLICY).startsWith('@id("act")'))
  assert.equal(sentenceOf('permit (principal, action, resource);'), '')
})

test('a policy concerns those it names, and everybody if it names nobody', () => {
  assert.equal(concerns(POLICY, 'operator'), true)
  assert.equal(concerns(POLICY, 'citizen'), false)
  assert.equal(concerns('permit (principal, action, resource);', 'citizen'), true)
  assert.equal(concerns('permit (principal == Madang::Principal::"service:x", action, resource);', 'citizen'), false)
})

test('the line of a complaint is found', () => {
  assert.equal(lineOf('policy benches, line 4: unexpected token `foo`'), 4)
  assert.equal(lineOf('the name is taken'), 0)
})

test('full IRIs are put aside where there are short names', () => {
  assert.deepEqual(shortNames(['Person', 'https://x/Person']), ['Person'])
  assert.deepEqual(shortNames(['https://x/Person']), ['https://x/Person'])
})

test('a key is tried with what it may read', () => {
  const device = { kind: 'device', reads: [], entities: ['urn:a'], key: 'mdg_1' }
  assert.equal(curlOf('http://hub', device), "curl -H 'Authorization: Bearer mdg_1' 'http://hub/ngsi-ld/v1/entities/urn:a'")
  assert.match(curlOf('http://hub', { kind: 'app', reads: ['*', 'Bench'], entities: [] }), /type=Bench'$/)
  assert.match(curlOf('http://hub', { kind: 'app', reads: ['*'], entities: [] }), /\/types'$/)
})
