// The interactive map of the pages for everybody, in place of the drawn one.
import { openCityMap } from '../map/city-map'
import { boundsOf, type Mark } from '../map/marks'

interface Thing {
  id: string
  geometry: GeoJSON.Point
  properties: { name: string; value: number | null; unit: string; kind: Mark['kind'] | null }
}

const DARK = matchMedia('(prefers-color-scheme: dark)')

/** Put a map into the place of a picture; throws if there is none, for want of WebGL for instance. */
export async function show(picture: HTMLElement, told: DOMStringMap): Promise<void> {
  const answer = await fetch(told.places ?? '', { headers: { Accept: 'application/geo+json' } })
  if (!answer.ok) throw new Error(String(answer.status))
  const { features } = (await answer.json()) as { features: Thing[] }
  const marks = features.map(markOf)
  const box = document.createElement('div')
  box.className = 'map-box'
  picture.after(box)
  try {
    const city = openCityMap(box, {
      language: document.documentElement.lang, isDark: DARK.matches, label: told.label, isSmall: true,
    })
    await city.ready
    city.mark(marks)
    const bounds = boundsOf(marks)
    if (bounds) city.fit(bounds, false)
    city.onpick = (hit) => {
      if (hit?.id) location.assign(`${told.things}${encodeURIComponent(hit.id)}`)
    }
    DARK.addEventListener('change', () => city.paint(DARK.matches))
    picture.hidden = true
  } catch (error) {
    box.remove()
    throw error
  }
}

function markOf(thing: Thing): Mark {
  const [lon = 0, lat = 0] = thing.geometry.coordinates
  const { name, value, unit, kind } = thing.properties
  const label = value === null ? name : `${name}: ${value.toLocaleString(document.documentElement.lang)} ${unit}`
  return { id: thing.id, lon, lat, label, kind: kind ?? 'info' }
}
