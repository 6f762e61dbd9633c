// Vectors of madang.trust.merkle and madang.trust.checkpoint: a log of eleven records, `{"sequence":n}` each,
// signed by the Ed25519 key whose private bytes are 0 to 31.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { bytesOf, continues, headOf, hex, included, isSigned, leafHash, type Head } from './proof.ts'

const NOTE =
  'madang.audit\n11\nXBAd44KMAQi6jQAI0dTdlLMdzdjxgokPZkx1S6ZUEho=\ntime 2026-11-21T06:42:59.000000Z\n\n' +
  '— madang.audit uBNKoAq/fwntuDT3Tfil+Ha5snQf4/C3BX/kXUhdfkRZ4Qy/43Jn0SiQ2M13C06q2UYSPSz8Zw4Xo7h0Ez/GprQBmQ4=\n'
const KEY = 'madang.audit+b8134aa0+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4'
const HEAD = headOf(NOTE)
const ROOTS: Record<number, string> = {
  4: '648b84b6f61279f753e35a0ab1189c8f53521c8bf7049912eb28b0358168f597',
  6: '0ee7788d5096e1e56026bfc26f5c43e78f4745dde4268c257b7a32a71e08a6cb',
  8: '41e22051bc734f43e1488abd4a5eaf6492e584ce64237f61e0d8bccaf456caac',
}
const LAST_FOUR = '2808e5ff7b5e1d152b91137739d6107ac643e6b06a903443170527490a28db76'
const INCLUSION: Record<number, string[]> = {
  0: [
    '43bfbeb16288096f57dfccc45e7a7deaa98029c24375a5bdea53586986d29a06',
    'd83f1818811807532a17b6cfcb62a3c9e1f91236daa7ebfd0a255d0ccfd51d15',
    'f2d477dc35404e0ae4821c93ba0a5d3dbc500fb14ef2e0d969393b5b3c9aa738',
    LAST_FOUR,
  ],
  7: [
    '014ef897667edf601afd09b3c9d93ddfd677414ee0e916923bb01071adb6046b',
    '28ec3beb4018a8c4e6569c152439ec1395d0d1029e925215bfc2aa1ab99efc48',
    '648b84b6f61279f753e35a0ab1189c8f53521c8bf7049912eb28b0358168f597',
    LAST_FOUR,
  ],
  10: [
    '62e50a23d260078e84d7b1f1eab09428d2d1eb12f68e0e8f51de57c94119ae0a',
    '41e22051bc734f43e1488abd4a5eaf6492e584ce64237f61e0d8bccaf456caac',
  ],
}
const CONSISTENCY: Record<number, string[]> = {
  4: ['f2d477dc35404e0ae4821c93ba0a5d3dbc500fb14ef2e0d969393b5b3c9aa738', LAST_FOUR],
  6: [
    '28ec3beb4018a8c4e6569c152439ec1395d0d1029e925215bfc2aa1ab99efc48',
    '060a7e42646012ba06b2f3f3e7983074c1eabd004ed6b2a812c81fcf6042a0a5',
    '648b84b6f61279f753e35a0ab1189c8f53521c8bf7049912eb28b0358168f597',
    LAST_FOUR,
  ],
  8: [LAST_FOUR],
}

function older(size: number): Head {
  return { ...HEAD, size, root: bytesOf(ROOTS[size] as string) }
}

test('a head is read from its note', () => {
  assert.equal(HEAD.size, 11)
  assert.equal(HEAD.time, '2026-11-21T06:42:59.000000Z')
  assert.throws(() => headOf('madang.audit\n-1\n\n'))
})

test('a leaf has the hash that the log gives it', async () => {
  assert.equal(hex(await leafHash('{"sequence":7}')), '5d7ebeb13be275c8b4c4729520ed9a8b9e09b111e418e9e85296a9081a87805c')
})

for (const [index, path] of Object.entries(INCLUSION)) {
  test(`record ${index} of eleven is in the log`, async () => {
    const walk = await included(Number(index), HEAD, `{"sequence":${index}}`, path)
    assert.equal(walk.holds, true)
    assert.equal(walk.steps.length, path.length)
    assert.equal(hex(walk.steps.at(-1)?.result ?? new Uint8Array()), hex(HEAD.root))
  })

  test(`record ${index} of eleven is not in the log once anything about it is changed`, async () => {
    const text = `{"sequence":${index}}`
    const broken = path.map((one, step) => (step ? one : ROOTS[6] as string))
    assert.equal((await included(Number(index), HEAD, `${text} `, path)).holds, false)
    assert.equal((await included(Number(index), HEAD, text, broken)).holds, false)
    assert.equal((await included(Number(index), HEAD, text, path.slice(1))).holds, false)
    assert.equal((await included(Number(index), HEAD, text, [...path, LAST_FOUR])).holds, false)
    assert.equal((await included(Number(index) + 1, HEAD, text, path)).holds, false)
    assert.equal((await included(11, HEAD, text, path)).holds, false)
  })
}

for (const [size, path] of Object.entries(CONSISTENCY)) {
  test(`the log of eleven begins with its first ${size}`, async () => {
    const old = older(Number(size))
    assert.equal(await continues(old, HEAD, path), true)
    assert.equal(await continues({ ...old, root: HEAD.root }, HEAD, path), false)
    assert.equal(await continues(old, { ...HEAD, root: old.root }, path), false)
    assert.equal(await continues(old, HEAD, path.slice(1)), false)
    assert.equal(await continues(HEAD, old, path), false)
  })
}

test('a log is consistent with itself and with the empty one', async () => {
  const empty = { ...HEAD, size: 0, root: bytesOf('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855') }
  assert.equal(await continues(HEAD, HEAD, []), true)
  assert.equal(await continues(empty, HEAD, []), true)
  assert.equal(await continues({ ...HEAD, root: empty.root }, HEAD, []), false)
})

test('a note is signed by its key and by no other', async () => {
  assert.equal(await isSigned(NOTE, KEY), true)
  assert.equal(await isSigned(NOTE.replace('\n11\n', '\n12\n'), KEY), false)
  assert.equal(await isSigned(NOTE, KEY.replace('AQOhB7', 'AQOhB8')), false)
  assert.equal(await isSigned(NOTE, 'nothing'), false)
})
