// Puts values into a text of the catalogue.

const PLACE = /\{(\w+)(?::([^|{}]*)\|([^|{}]*))?\}/g

/** The text with its values: `{count}` is the value, `{count:feed|feeds}` a word for one or for several of it. */
export function filled(text: string, values: Record<string, string | number>): string {
  return text.replace(PLACE, (whole, name: string, one?: string, several?: string) => {
    const value = values[name]
    if (value === undefined) return whole
    if (one === undefined || several === undefined) return String(value)
    return String(value) === '1' ? one : several
  })
}
