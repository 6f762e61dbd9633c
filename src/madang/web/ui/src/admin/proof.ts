// Proofs of the audit log, checked in the browser: RFC 9162 sections 2.1.3.2 and 2.1.4.2 with SHA-256, and
// the signed heads they lead to (https://c2sp.org/tlog-checkpoint, https://c2sp.org/signed-note).

/** A head of the log: how many records it has, the root of their tree, when it was signed. */
export interface Head {
  name: string
  size: number
  root: Uint8Array
  time: string
}

/** One step of a path from a record to the root. */
export interface Step {
  /** Hash of the proof, and on which side of ours it stands. */
  sibling: Uint8Array
  side: 'left' | 'right'
  /** What both make together. */
  result: Uint8Array
}

export interface Walk {
  leaf: Uint8Array
  steps: Step[]
  /** Whether the path ends at the root of the head. */
  holds: boolean
}

export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (one) => one.toString(16).padStart(2, '0')).join('')
}

export function bytesOf(hex: string): Uint8Array {
  if (!/^([0-9a-f]{2})*$/i.test(hex)) throw new Error(`not hexadecimal: ${hex.slice(0, 20)}`)
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
}

function base64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (one) => one.charCodeAt(0))
}

function same(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index])
}

async function sha256(...parts: Uint8Array[]): Promise<Uint8Array> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return new Uint8Array(await crypto.subtle.digest('SHA-256', whole))
}

/** The hash of a leaf; the first byte keeps leaves and nodes apart. */
export function leafHash(text: string): Promise<Uint8Array> {
  return sha256(Uint8Array.of(0), new TextEncoder().encode(text))
}

export function nodeHash(left: Uint8Array, right: Uint8Array): Promise<Uint8Array> {
  return sha256(Uint8Array.of(1), left, right)
}

/** Follow the proof of a record to the root (section 2.1.3.2). Numbers go beyond 32 bits: no `>>`. */
export async function included(index: number, head: Head, text: string, path: string[]): Promise<Walk> {
  const leaf = await leafHash(text)
  const steps: Step[] = []
  let [position, last, found] = [index, head.size - 1, leaf]
  const isThere = index >= 0 && index < head.size
  for (const one of path) {
    if (!isThere || last === 0) return { leaf, steps, holds: false }
    const sibling = bytesOf(one)
    const side = position % 2 === 1 || position === last ? 'left' : 'right'
    found = await (side === 'left' ? nodeHash(sibling, found) : nodeHash(found, sibling))
    if (side === 'left') {
      while (position % 2 === 0 && position) [position, last] = [position / 2, Math.floor(last / 2)]
    }
    steps.push({ sibling, side, result: found })
    ;[position, last] = [Math.floor(position / 2), Math.floor(last / 2)]
  }
  return { leaf, steps, holds: isThere && last === 0 && same(found, head.root) }
}

/** Whether the log of a head begins with that of an older one (section 2.1.4.2). */
export async function continues(old: Head, head: Head, path: string[]): Promise<boolean> {
  const proof = path.map(bytesOf)
  if (old.size === head.size) return proof.length === 0 && same(old.root, head.root)
  if (old.size === 0) return proof.length === 0 && same(old.root, await sha256())
  if (!(old.size > 0 && old.size < head.size) || proof.length === 0) return false
  const isPower = Number.isInteger(Math.log2(old.size))
  const steps = isPower ? [old.root, ...proof] : proof
  let [position, last] = [old.size - 1, head.size - 1]
  while (position % 2 === 1) [position, last] = [Math.floor(position / 2), Math.floor(last / 2)]
  let before = steps[0] as Uint8Array
  let after = before
  for (const step of steps.slice(1)) {
    if (last === 0) return false
    if (position % 2 === 1 || position === last) {
      ;[before, after] = [await nodeHash(step, before), await nodeHash(step, after)]
      while (position % 2 === 0 && position) [position, last] = [position / 2, Math.floor(last / 2)]
    } else {
      after = await nodeHash(after, step)
    }
    ;[position, last] = [Math.floor(position / 2), Math.floor(last / 2)]
  }
  return last === 0 && same(before, old.root) && same(after, head.root)
}

/** The head in a signed note; throws if it is none. */
export function headOf(note: string): Head {
  const [name, size, root, time] = note.split('\n')
  const whole = Number(size)
  const bytes = base64(root ?? '')
  if (!name || !Number.isSafeInteger(whole) || whole < 0 || bytes.length !== 32) throw new Error('no signed head')
  return { name, size: whole, root: bytes, time: (time ?? '').replace(/^time /, '') }
}

/** Whether a key such as `madang.audit+9c1e7a52+AXp2…` signed a note; undefined if this browser cannot tell. */
export async function isSigned(note: string, verifier: string): Promise<boolean | undefined> {
  const [, name = '', , key = ''] = /^(.+?)\+([0-9a-f]{8})\+(.+)$/.exec(verifier.trim()) ?? []
  const raw = base64(key)
  const [text = '', signatures = ''] = note.split('\n\n')
  const ours = signatures.split('\n').map((line) => line.split(' ')).find((line) => line[1] === name)
  if (raw[0] !== 1 || raw.length !== 33 || !ours?.[2]) return false
  const id = (await sha256(new TextEncoder().encode(`${name}\n`), raw)).slice(0, 4)
  const signature = base64(ours[2])
  if (!same(signature.slice(0, 4), id)) return false
  try {
    const imported = await crypto.subtle.importKey('raw', raw.slice(1), 'Ed25519', false, ['verify'])
    return await crypto.subtle.verify('Ed25519', imported, signature.slice(4), new TextEncoder().encode(`${text}\n`))
  } catch {
    return undefined // a browser without Ed25519
  }
}
