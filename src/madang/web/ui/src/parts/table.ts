/** A column of a table: `text` is what it says, and what is sorted by unless `sort` says otherwise. */
export interface Column<Row> {
  key: string
  title: string
  text: (row: Row) => string | number
  sort?: (row: Row) => string | number
  /** Where the cell leads. */
  href?: (row: Row) => string
  number?: boolean
  /** Drawn by the table's `cell` snippet. */
  drawn?: boolean
  /** Not sorted by. */
  fixed?: boolean
}
