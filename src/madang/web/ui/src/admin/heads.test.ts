import assert from 'node:assert/strict'
import { test } from 'node:test'

import { judged, type Kept } from './heads.ts'
import { bytesOf } from './proof.ts'

// Vectors of madang.trust.checkpoint; see proof.test.ts.
const KEY = 'madang.audit+b8134aa0+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4'
const NOTE =
  'madang.audit\n11\nXBAd44KMAQi6jQAI0dTdlLMdzdjxgokPZkx1S6ZUEho=\ntime 2026-11-21T06:42:59.000000Z\n\n' +
  '— madang.audit uBNKoAq/fwntuDT3Tfil+Ha5snQf4/C3BX/kXUhdfkRZ4Qy/43Jn0SiQ2M13C06q2UYSPSz8Zw4Xo7h0Ez/GprQBmQ4=\n'
const FIRST_FOUR = '648b84b6f61279f753e35a0ab1189c8f53521c8bf7049912eb28b0358168f597'
const PROOF = [
  'f2d477dc35404e0ae4821c93ba0a5d3dbc500fb14ef2e0d969393b5b3c9aa738',
  '2808e5ff7b5e1d152b91137739d6107ac643e6b06a903443170527490a28db76',
]

/** A head that was seen once; only its size and root count by now. */
function seen(size: number, root: string): Kept {
  const base64 = btoa(String.fromCharCode(...bytesOf(root)))
  return { note: `madang.audit\n${size}\n${base64}\ntime 2026-11-20T00:00:00Z\n\n`, key: KEY, seen: '2026-11-20T00:00:00Z' }
}

function prove(proof: string[]): () => Promise<{ head: string; proof: string[] }> {
  return async () => ({ head: NOTE, proof })
}

test('the first head of a browser is taken, if it is signed', async () => {
  assert.equal((await judged(undefined, NOTE, KEY, prove([]))).verdict, 'first')
  const forged = await judged(undefined, NOTE.replace('\n11\n', '\n12\n'), KEY, prove([]))
  assert.deepEqual([forged.verdict, forged.signed], ['unsigned', false])
})

test('a log that has grown begins as it did', async () => {
  assert.equal((await judged(seen(4, FIRST_FOUR), NOTE, KEY, prove(PROOF))).verdict, 'continues')
  assert.equal((await judged({ note: NOTE, key: KEY, seen: '' }, NOTE, KEY, prove([]))).verdict, 'same')
})

test('a log that was changed, cut off or signed by somebody else is told', async () => {
  const other = FIRST_FOUR.replace('6', '7')
  assert.equal((await judged(seen(4, other), NOTE, KEY, prove(PROOF))).verdict, 'changed')
  assert.equal((await judged(seen(12, FIRST_FOUR), NOTE, KEY, prove([]))).verdict, 'shorter')
  assert.equal((await judged({ ...seen(4, FIRST_FOUR), key: 'x' }, NOTE, KEY, prove(PROOF))).verdict, 'otherKey')
})
