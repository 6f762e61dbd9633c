// The body of a message that could not be used, as text, as JSON and as bytes.

export interface Body {
  bytes: Uint8Array
  text?: string
  /** Indented, if it is JSON. */
  json?: string
}

/** Most bytes that are shown in hexadecimal. */
export const MOST_HEX = 4096
const ROW = 16

export function bodyOf(told: { text?: string; base64?: string }): Body {
  if (told.text === undefined) return { bytes: Uint8Array.from(atob(told.base64 ?? ''), (one) => one.charCodeAt(0)) }
  return { bytes: new TextEncoder().encode(told.text), text: told.text, json: indented(told.text) }
}

function indented(text: string): string | undefined {
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    return undefined
  }
}

/** Bytes as people read them: position, sixteen bytes in hexadecimal, and what is printable. */
export function hex(bytes: Uint8Array): string {
  const lines: string[] = []
  for (let start = 0; start < Math.min(bytes.length, MOST_HEX); start += ROW) {
    const row = [...bytes.slice(start, start + ROW)]
    const digits = row.map((byte) => byte.toString(16).padStart(2, '0')).join(' ').padEnd(3 * ROW - 1)
    const shown = row.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : '.')).join('')
    lines.push(`${start.toString(16).padStart(4, '0')}  ${digits}  ${shown}`)
  }
  return lines.join('\n')
}
