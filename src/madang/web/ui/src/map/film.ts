// A film of the past as the hub answers it, and the picture of it at an instant.
import { Things } from './things.ts'

/** What `GET /map/past` answers. */
export interface FilmAnswer {
  start: string
  end: string
  /** [s] */
  step: number
  ids: string[]
  /** Names by language; `""` is one without a language. */
  names: Record<string, string>[]
  positions: ([number, number] | null)[]
  /** First picture of each thing, and the first it is no longer in. */
  from: number[]
  to: number[]
  /** Which things move: places in `ids`. */
  moving: number[]
  /** Of each picture longitudes and latitudes of what moves, in turn. */
  paths: (number | null)[][]
  /** Of each picture the value of each thing. */
  values?: (number | string | boolean | null)[][]
  /** There were more things than a film may have. */
  cut: boolean
}

export function pictures(film: FilmAnswer): number {
  return film.paths.length
}

/** The picture in force at an instant. [ms since 1970] */
export function pictureAt(film: FilmAnswer, instant: number): number {
  const picture = Math.floor((instant - Date.parse(film.start)) / 1000 / film.step)
  return Math.min(Math.max(picture, 0), pictures(film) - 1)
}

/** Put a picture into `things`, in place of what was there. */
export function show(film: FilmAnswer, picture: number, things: Things): void {
  things.clear()
  const path = film.paths[picture] ?? []
  const values = film.values?.[picture]
  const places = film.positions.map((one) => one)
  for (const [index, place] of film.moving.entries()) {
    const [lon, lat] = [path[2 * index], path[2 * index + 1]]
    places[place] = typeof lon === 'number' && typeof lat === 'number' ? [lon, lat] : null
  }
  for (const [index, id] of film.ids.entries()) {
    const place = places[index]
    if (!place || picture < (film.from[index] ?? 0) || picture >= (film.to[index] ?? Infinity)) continue
    const value = values?.[index] ?? null
    things.put(id, place[0], place[1], typeof value === 'number' ? value : NaN, typeof value === 'number' || value === null ? '' : String(value))
  }
  things.at = Date.parse(film.start) + picture * film.step * 1000
}
