// The font of the map's labels, in Korean and Latin, from our own files: a browser fetches the few
// subsets whose letters are on the map, and needs no Korean font of its own.
import ranges from '@fontsource-variable/noto-sans-kr/unicode.json'

export const FONT = 'Noto Sans KR'

const FILES = import.meta.glob<string>('/node_modules/@fontsource-variable/noto-sans-kr/files/*.woff2', {
  query: '?url',
  import: 'default',
  eager: true,
})

/** `font-faces` of a MapLibre style. */
export function fontFaces(): Record<string, { url: string; 'unicode-range': string[] }[]> {
  const found = []
  for (const [name, range] of Object.entries(ranges as Record<string, string>)) {
    const subset = name.replace(/[[\]]/g, '')
    const url = FILES[`/node_modules/@fontsource-variable/noto-sans-kr/files/noto-sans-kr-${subset}-wght-normal.woff2`]
    if (url) found.push({ url: new URL(url, import.meta.url).href, 'unicode-range': range.split(',') })
  }
  return { [FONT]: found }
}
