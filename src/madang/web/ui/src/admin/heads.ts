// What a browser remembers of the log, and what a new head says about it.
import { continues, headOf, isSigned } from './proof.ts'

/** A head that this browser has seen, and when. */
export interface Kept {
  note: string
  /** The public key that signed it. */
  key: string
  /** DateTime */
  seen: string
}

export type Verdict =
  | 'first' // none was seen before
  | 'same' // nothing was added
  | 'continues' // it begins as it did
  | 'changed' // it does not
  | 'shorter' // records are missing at its end
  | 'otherKey' // somebody else signs
  | 'unsigned' // the signature is wrong

export interface Seen {
  verdict: Verdict
  /** The newest head that was looked at. */
  note: string
  /** Whether its key signed it; undefined if this browser cannot tell. */
  signed: boolean | undefined
}

/** Judge a head by the one that was seen before; `prove` asks the hub that the log begins with so many records. */
export async function judged(
  before: Kept | undefined,
  note: string,
  key: string,
  prove: (old: number) => Promise<{ head: string; proof: string[] }>,
): Promise<Seen> {
  const signed = await isSigned(note, key)
  if (signed === false) return { verdict: 'unsigned', note, signed }
  if (!before) return { verdict: 'first', note, signed }
  if (before.key !== key) return { verdict: 'otherKey', note, signed }
  const old = headOf(before.note)
  if (headOf(note).size < old.size) return { verdict: 'shorter', note, signed }
  const grown = await prove(old.size) // its head may be newer than ours
  const head = headOf(grown.head)
  const isOurs = await isSigned(grown.head, key)
  if (isOurs === false) return { verdict: 'unsigned', note: grown.head, signed: isOurs }
  const isGood = await continues(old, head, grown.proof)
  const verdict = !isGood ? 'changed' : head.size === old.size ? 'same' : 'continues'
  return { verdict, note: grown.head, signed: isOurs }
}
