// Finding the line of a playbook that a message of the hub is about. Pure.

/**
 * The line that a message is about, from 1 on; undefined if it names none.
 *
 * The hub says `(at line 3, column 9)` of what is no TOML, `steps.0.title.ko: Field required` of what
 * is no playbook, and names contacts that it does not know.
 */
export function faultLine(text: string, message: string): number | undefined {
  const lines = text.split('\n')
  const told = /at line (\d+)/.exec(message)?.[1]
  if (told) return Math.min(Number(told), lines.length)
  if (message.includes('at end of document')) return lines.length
  const contact = /^the playbook names ([a-z0-9._-]+),/.exec(message)?.[1]
  if (contact) return found(lines.findIndex((line) => line.includes(`"${contact}"`) || line.includes(`'${contact}'`)))
  const place = /^([\w.-]+): /.exec(message)?.[1]
  return place ? nearest(lines, place.split('.')) : undefined
}

function found(index: number): number | undefined {
  return index < 0 ? undefined : index + 1
}

/** The first of the lines whose place in the document has most in common with a place. */
function nearest(lines: string[], place: string[]): number | undefined {
  const counts = new Map<string, number>()
  let table: string[] = []
  let best = 0
  let line: number | undefined
  for (const [index, content] of lines.entries()) {
    const array = /^\s*\[\[([\w.-]+)\]\]/.exec(content)?.[1]
    const header = /^\s*\[([\w.-]+)\]/.exec(content)?.[1]
    const key = /^\s*([\w."-]+)\s*=/.exec(content)?.[1]
    let here: string[]
    if (array) {
      const number = counts.get(array) ?? 0
      counts.set(array, number + 1)
      here = table = [array, String(number)]
    } else if (header) {
      here = table = within(header.split('.'), counts)
    } else if (key) {
      here = [...table, ...key.replaceAll('"', '').split('.')]
    } else continue
    const alike = common(here, place)
    if (alike > best) [best, line] = [alike, index + 1]
  }
  return line
}

/** `steps.ask` below the second `[[steps]]` is `steps.1.ask`. */
function within(parts: string[], counts: Map<string, number>): string[] {
  const [first = '', ...rest] = parts
  const count = counts.get(first)
  return count === undefined ? parts : [first, String(count - 1), ...rest]
}

function common(one: string[], other: string[]): number {
  let count = 0
  while (count < one.length && one[count] === other[count]) count++
  return count
}

/** What a new playbook begins with: something whole to be changed. */
export const EXAMPLE = `title = { en = "Flood in an underpass", ko = "지하차도 침수" }
applies_to = ["flood"]                  # categories or kinds of alarms; none: all that no other is for
from_severity = "medium"
notify = []                             # names of contacts, such as "control-room"
public = false                          # true: on the public page at once

# [[escalate]]                          # whom to tell if nobody has acknowledged it by then
# after_minutes = 5
# to = "duty"

[[steps]]
name = "barrier"
title = { en = "Close the barrier", ko = "차단기 내리기" }
due_minutes = 10

[[steps]]
name = "depth"
title = { en = "Measure the depth", ko = "수심 측정" }
ask = { question = { en = "How deep?", ko = "수심은?" }, kind = "number", unit = "cm", min = 0, max = 500 }
`

export const NAME = /^[a-z0-9][a-z0-9-]{0,39}$/
