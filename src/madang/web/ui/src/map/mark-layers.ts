// How the marks of small maps are drawn.
import type { ExpressionSpecification, Map as MapLibre } from 'maplibre-gl'

import { FONT } from './glyphs'
import { tone } from './tone'

export const MARK_LAYERS = ['marks-point', 'marks-line', 'marks-area']

const COLOUR: ExpressionSpecification = [
  'match', ['get', 'kind'], 'bad', tone('#a3201a', '#ff9b92'), 'warn', tone('#a86400', '#f3c26b'),
  'good', tone('#1d6b34', '#86d99d'), 'quiet', tone('#51605c', '#a5b3af'), tone('#00695f', '#5fd0c2'),
]

export function addMarks(map: MapLibre, data: GeoJSON.FeatureCollection): void {
  map.addSource('marks', { type: 'geojson', data })
  map.addLayer({
    id: 'marks-area', type: 'fill', source: 'marks', filter: ['==', ['geometry-type'], 'Polygon'],
    paint: { 'fill-color': COLOUR, 'fill-opacity': 0.2 },
  })
  map.addLayer({
    id: 'marks-line', type: 'line', source: 'marks', filter: ['!=', ['geometry-type'], 'Point'],
    paint: { 'line-color': COLOUR, 'line-width': 3 },
  })
  map.addLayer({
    id: 'marks-point', type: 'circle', source: 'marks', filter: ['==', ['geometry-type'], 'Point'],
    paint: {
      'circle-color': COLOUR, 'circle-radius': 8, 'circle-stroke-width': 2,
      'circle-stroke-color': tone('#ffffff', '#10171a'),
    },
  })
  map.addLayer({
    id: 'marks-name', type: 'symbol', source: 'marks', filter: ['==', ['geometry-type'], 'Point'],
    layout: {
      'text-font': [FONT], 'text-field': ['get', 'label'], 'text-size': 12,
      'text-anchor': 'top', 'text-offset': [0, 0.9], 'text-optional': true,
    },
    paint: { 'text-color': tone('#18211f', '#e6eceb'), 'text-halo-color': tone('#ffffff', '#10171a'), 'text-halo-width': 1.5 },
  })
}
