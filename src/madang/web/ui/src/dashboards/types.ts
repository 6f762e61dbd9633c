// Dashboards and what their tiles show, as src/madang/web/dashboards/tiles.py and facts.py define them.
export type Words = { en?: string; ko?: string }
export type Judged = 'good' | 'warn' | 'bad'
export type Period = 'hour' | 'day' | 'week' | 'month'
export type Of = 'avg' | 'median' | 'min' | 'max' | 'sum' | 'count'
export type Visibility = 'private' | 'signedIn' | 'public'
export type Kind = 'number' | 'chart' | 'table' | 'map' | 'text' | 'incidents' | 'services'

export interface Band {
  /** The last value it holds for; the last band may have none. */
  upto?: number
  kind: Judged
  title?: Words
}

/** A tile; which members it has depends on its kind. */
export interface Tile {
  kind: Kind
  title: Words
  width?: number
  height?: number
  type?: string
  q?: string
  attribute?: string
  of?: Of
  by?: string
  period?: Period
  unit?: string
  digits?: number
  bands?: Band[]
  guideline?: boolean
  total?: string
  columns?: string[]
  order?: string
  descending?: boolean
  limit?: number
  text?: Words
}

export interface Dashboard {
  title: Words
  lead?: Words
  visibility?: Visibility
  tiles?: Tile[]
}

/** What the list of dashboards tells of one. */
export interface Line {
  name: string
  title: Words
  visibility: Visibility
  tiles: number
  owner: string
  modifiedAt: string | null
  revision: number
  mayChange: boolean
}

export interface Kept extends Line {
  content: Dashboard
}

export interface Judgement {
  guideline: string
  title?: Words
  url?: string
  over: 'now' | 'day'
  value: number
  hours?: number
  limit?: number | null
  kind: Judged
  grade: Words | null
}

export interface Group {
  name: string | Words
  value: number
  entities: number
  kind: Judged | null
}

export interface Cell {
  value: number | string | boolean | Words | null
  unit: string
  at: string
}

export interface Place {
  id: string
  name: string | Words
  lon: number
  lat: number
  value: number | null
  kind: Judged | null
}

/** What a tile shows at present. */
export interface Fact {
  kind: Kind
  problem?: string
  missing?: 'type' | 'value' | 'history' | 'place'
  value?: number
  digits?: number
  unit?: string
  of?: Of
  period?: Period
  entities?: number
  old?: number
  isOld?: boolean
  more?: boolean
  at?: string | null
  course?: [number, number][]
  judgements?: Judgement[]
  groups?: Group[]
  total?: { value: number; share: number } | null
  series?: { label: string | Words | null; at: number[]; value: number[] }[]
  columns?: string[]
  rows?: { id: string; name: string | Words; cells: (Cell | null)[] }[]
  count?: number
  places?: Place[]
  incidents?: { number: string; title: string | Words; status: string; severity: string; started: string; ended: string }[]
  services?: { name: string; title: Words; state: string }[]
}

export interface Facts {
  tiles: Fact[]
}
