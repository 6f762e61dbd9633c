// Where in a TOML text something is that the hub found wrong.

/** The line of a member such as `mapping.columns.0`, or of the table that it is in; undefined if none is there. */
export function lineOf(text: string, member: string): number | undefined {
  const wanted = member.split('.').filter(Boolean)
  let table: string[] = []
  let found: number | undefined
  let depth = 0
  for (const [index, line] of text.split('\n').entries()) {
    const header = /^\s*\[{1,2}\s*([^\]]+?)\s*\]{1,2}\s*(#.*)?$/.exec(line)
    const key = header ? null : /^\s*("[^"]+"|'[^']+'|[\w.-]+)\s*=/.exec(line)
    if (header) table = parts(header[1] ?? '')
    const path = header ? table : key ? [...table, ...parts(key[1] ?? '')] : []
    if (path.length > depth && path.length <= wanted.length && path.every((part, place) => part === wanted[place])) {
      found = index + 1
      depth = path.length
    }
  }
  return found
}

function parts(name: string): string[] {
  return name.split('.').map((part) => part.trim().replace(/^["']|["']$/g, ''))
}

/** The line that the hub's words about a feed mean. */
export function lineInTrouble(text: string, words: string): number | undefined {
  const told = /\(at line (\d+)/.exec(words)
  if (told) return Number(told[1])
  if (words.startsWith('there is no kind ')) return lineOf(text, 'kind')
  const member = /^the feed \S+: ([\w.-]+): /.exec(words)
  return member?.[1] ? lineOf(text, member[1]) : undefined
}
