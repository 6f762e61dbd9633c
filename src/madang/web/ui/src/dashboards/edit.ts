// Changes to a dashboard, each of which can be undone. Pure.
import type { Dashboard, Kind, Tile } from './types.ts'

export const COLUMNS = 12
export const ROWS = 8
export const MOST_TILES = 50
const MOST_STEPS = 100

/** A dashboard while it is edited: what it is now, and what it was before and after. */
export interface Draft {
  now: Dashboard
  past: Dashboard[]
  future: Dashboard[]
}

export function begin(from: Dashboard): Draft {
  return { now: from, past: [], future: [] }
}

/** Take a step; what is the same as before is none. */
export function changed(draft: Draft, next: Dashboard): Draft {
  if (JSON.stringify(next) === JSON.stringify(draft.now)) return draft
  return { now: next, past: [...draft.past, draft.now].slice(-MOST_STEPS), future: [] }
}

export function undone(draft: Draft): Draft {
  const before = draft.past.at(-1)
  if (!before) return draft
  return { now: before, past: draft.past.slice(0, -1), future: [draft.now, ...draft.future] }
}

export function redone(draft: Draft): Draft {
  const [next, ...rest] = draft.future
  if (!next) return draft
  return { now: next, past: [...draft.past, draft.now], future: rest }
}

const tilesOf = (board: Dashboard): Tile[] => board.tiles ?? []

/** A new tile of a kind, as it begins. */
export function fresh(kind: Kind, title: string, language: 'en' | 'ko'): Tile {
  const words = { [language]: title }
  const base: Tile = { kind, title: words, width: 3 }
  if (kind === 'text') return { ...base, width: 6, text: words }
  if (kind === 'incidents' || kind === 'services') return { ...base, width: 6 }
  if (kind === 'table') return { ...base, width: 6, height: 2, type: '', columns: [] }
  if (kind === 'map') return { ...base, width: 6, height: 2, type: '' }
  if (kind === 'chart') return { ...base, width: 6, height: 2, type: '', attribute: '' }
  return { ...base, type: '', attribute: '' }
}

export function added(board: Dashboard, tile: Tile, at = tilesOf(board).length): Dashboard {
  if (tilesOf(board).length >= MOST_TILES) return board
  return { ...board, tiles: tilesOf(board).toSpliced(at, 0, tile) }
}

export function replaced(board: Dashboard, at: number, tile: Tile): Dashboard {
  return { ...board, tiles: tilesOf(board).map((one, index) => (index === at ? tile : one)) }
}

export function removed(board: Dashboard, at: number): Dashboard {
  return { ...board, tiles: tilesOf(board).toSpliced(at, 1) }
}

/** Put a tile at another place in the order; beyond the ends is at the ends. */
export function moved(board: Dashboard, from: number, to: number): Dashboard {
  const tiles = tilesOf(board)
  const tile = tiles[from]
  if (!tile) return board
  const rest = tiles.toSpliced(from, 1)
  return { ...board, tiles: rest.toSpliced(Math.max(0, Math.min(to, rest.length)), 0, tile) }
}

/** Make a tile wider and taller by so many columns and rows, as far as the grid goes. */
export function resized(board: Dashboard, at: number, columns: number, rows: number): Dashboard {
  const tile = tilesOf(board)[at]
  if (!tile) return board
  const fit = (value: number, most: number): number => Math.max(1, Math.min(value, most))
  const width = fit((tile.width ?? 3) + columns, COLUMNS)
  const height = fit((tile.height ?? 1) + rows, ROWS)
  return replaced(board, at, { ...tile, width, height })
}

/** What a tile shows, whatever its place and size. */
export function keyOf(tile: Tile): string {
  const { width: _, height: __, ...rest } = tile
  return JSON.stringify(rest)
}

const WANTED: Record<Kind, (keyof Tile)[]> = {
  number: ['type', 'q', 'attribute', 'of', 'by', 'period', 'unit', 'digits', 'bands', 'guideline', 'total'],
  chart: ['type', 'q', 'attribute', 'of', 'by', 'period', 'unit', 'digits', 'bands', 'guideline'],
  table: ['type', 'q', 'columns', 'order', 'descending', 'limit'],
  map: ['type', 'q', 'attribute', 'bands', 'guideline'],
  text: ['text'],
  incidents: ['limit'],
  services: [],
}

/** Which settings a kind of tile has. */
export function has(kind: Kind, member: keyof Tile): boolean {
  return WANTED[kind].includes(member)
}

/** A tile as it is kept: only what its kind knows, without what is empty. */
export function tidy(tile: Tile): Tile {
  const found: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(tile)) {
    const isKnown = ['kind', 'title', 'width', 'height'].includes(name) || has(tile.kind, name as keyof Tile)
    const isEmpty = value === '' || value === undefined || value === null || (Array.isArray(value) && !value.length)
    if (isKnown && !isEmpty) found[name] = value
  }
  return { ...found, kind: tile.kind, title: tile.title } as Tile
}

/** A tile that was given another kind. */
export function turned(tile: Tile, kind: Kind): Tile {
  const next = tidy({ ...tile, kind })
  if (kind === 'table' && !next.columns?.length) next.columns = tile.attribute ? [tile.attribute] : []
  if (kind === 'text' && !next.text) next.text = tile.title
  return next
}

/** What a tile still lacks before it can show anything: the name of a setting, or nothing. */
export function lacking(tile: Tile): 'title' | 'type' | 'attribute' | 'columns' | 'text' | undefined {
  if (!tile.title.en && !tile.title.ko) return 'title'
  if (tile.kind === 'text') return tile.text?.en || tile.text?.ko ? undefined : 'text'
  if (tile.kind === 'incidents' || tile.kind === 'services') return undefined
  if (!tile.type) return 'type'
  if (tile.kind === 'table') return tile.columns?.length ? undefined : 'columns'
  if ((tile.kind === 'number' || tile.kind === 'chart') && !tile.attribute && tile.of !== 'count') return 'attribute'
  return undefined
}

/** A name for addresses, made of a title: small letters, digits and hyphens. */
export function nameFrom(title: string): string {
  const plain = title.normalize('NFKD').toLowerCase().replace(/[^a-z0-9]+/g, '-')
  return plain.replace(/^-+|-+$/g, '').slice(0, 40).replace(/-+$/, '')
}
