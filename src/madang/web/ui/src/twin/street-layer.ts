// The layer of streets that change: green is better, red is worse, grey may be chance.
import type { ExpressionSpecification, Map as MapLibre } from 'maplibre-gl'

import { EMPTY } from '../map/marks'
import { tone } from '../map/tone'

export const SOURCE = 'changed streets'

export function addStreets(map: MapLibre): void {
  map.addSource(SOURCE, { type: 'geojson', data: EMPTY })
  map.addLayer(
    {
      id: SOURCE, type: 'line', source: SOURCE,
      layout: { 'line-cap': 'round', 'line-join': 'round', 'line-sort-key': ['abs', ['get', 'value']] },
      paint: {
        // Both directions of a street side by side, each on its right.
        'line-offset': ['interpolate', ['linear'], ['zoom'], 12, 1, 16, 4],
        'line-width': ['interpolate', ['linear'], ['zoom'], 12, ['case', ['get', 'clear'], 2, 1], 16, ['case', ['get', 'clear'], 6, 3]],
        'line-color': '#888888',
      },
    },
    map.getLayer('street-name') ? 'street-name' : undefined,
  )
}

/** The colour of a street by its difference: full at `most`, paler below, grey where it may be chance. */
export function colour(most: number, isMoreWorse: boolean): ExpressionSpecification {
  const worse: ExpressionSpecification = isMoreWorse ? ['>', ['get', 'value'], 0] : ['<', ['get', 'value'], 0]
  const isMuch: ExpressionSpecification = ['>=', ['abs', ['get', 'value']], most / 2]
  return [
    'case',
    ['!', ['get', 'clear']], tone('#8b9691', '#68757a'),
    ['all', worse, isMuch], tone('#b42318', '#ff8a7a'),
    worse, tone('#d98a80', '#b0655c'),
    isMuch, tone('#0b7a55', '#45c796'),
    tone('#74b79d', '#3d8a6d'),
  ]
}
