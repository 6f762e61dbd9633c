// Where in a question something is that DuckDB found wrong.

export interface Fault {
  text: string
  /** From 1. */
  line?: number
  /** Characters of that line before it. */
  column?: number
}

/** The hub's words without the drawing of the line at their end, and the place that it shows. */
export function faultOf(words: string): Fault {
  const drawn = /\n\nLINE (\d+): (.*)\n( *)\^/.exec(words)
  if (!drawn) return { text: words }
  const [, line = '', shown = '', blanks = ''] = drawn
  const found = { text: words.slice(0, drawn.index), line: Number(line) }
  // A long line is drawn from somewhere in its middle.
  return shown.startsWith('...') ? found : { ...found, column: blanks.length - `LINE ${line}: `.length }
}

/** Where the word begins and ends that stands at a place; without a column, the line. */
export function spanOf(text: string, line: number, column?: number): [number, number] {
  const lines = text.split('\n')
  const begin = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0)
  const whole = lines[line - 1] ?? ''
  if (column === undefined) return [begin, begin + whole.length]
  const word = /^(\w+|.?)/.exec(whole.slice(column))?.[0] ?? ''
  return [begin + column, begin + column + word.length]
}
