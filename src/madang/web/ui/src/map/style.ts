// The look of the map: the city's own ground, zones, streets and buildings, light and dark.
import type { ExpressionSpecification, LayerSpecification, StyleSpecification } from 'maplibre-gl'

import { FONT, fontFaces } from './glyphs'
import { EMPTY } from './marks'
import { tone } from './tone'

/** Sources of what stands still, in the order in which they lie above one another. */
export const STILL = ['zone', 'street', 'building'] as const
export type Role = (typeof STILL)[number]

const WIDE: ExpressionSpecification = ['match', ['get', 'kind'], ['motorway', 'trunk', 'primary', 'arterial', 'main'], 2, ['secondary', 'collector'], 1.4, 1]
/** Parts of the city as a whole, and kinds of ground that have a colour of their own. */
const AREA: ExpressionSpecification = ['in', ['get', 'type'], ['literal', ['District', 'AdministrativeArea', 'Neighbourhood', 'Zone', 'City', 'Boundary']]]
const GREEN: ExpressionSpecification = ['in', ['get', 'type'], ['literal', ['Park', 'Garden', 'GreenspaceRecord', 'FlowerBed', 'Beach']]]
const PARKING: ExpressionSpecification = ['in', 'Parking', ['get', 'type']]
const LABEL = { 'text-font': [FONT], 'text-max-width': 8 }

/** The name in the reader's language, if there is one. */
export function named(language: string): ExpressionSpecification {
  return ['coalesce', ['get', `name:${language}`], ['get', 'name'], '']
}

function width(factor: number): ExpressionSpecification {
  const at = (base: number): ExpressionSpecification => ['*', base * factor, WIDE]
  return ['interpolate', ['exponential', 1.6], ['zoom'], 10, at(0.4), 13, at(1.3), 16, at(6), 19, at(26)]
}

function layers(language: string): LayerSpecification[] {
  return [
    { id: 'ground', type: 'background', paint: { 'background-color': tone('#eef1ec', '#10171a') } },
    {
      id: 'zone', type: 'fill', source: 'zone', layout: { 'fill-sort-key': ['case', AREA, 0, 1] },
      paint: {
        'fill-color': ['case', AREA, tone('#e6ebe3', '#141d1c'), GREEN, tone('#cfe3c4', '#1b2e22'), PARKING, tone('#d3dbe8', '#1d2936'), tone('#dde6dc', '#182421')],
      },
    },
    {
      id: 'zone-edge', type: 'line', source: 'zone', filter: AREA,
      paint: { 'line-color': tone('#9db3a6', '#3a524d'), 'line-width': 1.2, 'line-dasharray': [4, 2] },
    },
    {
      id: 'street-edge', type: 'line', source: 'street', minzoom: 13,
      layout: { 'line-cap': 'round', 'line-join': 'round' },
      paint: { 'line-color': tone('#cfd5cf', '#0a0f11'), 'line-width': width(1.25) },
    },
    {
      id: 'street', type: 'line', source: 'street',
      layout: { 'line-cap': 'round', 'line-join': 'round' },
      paint: { 'line-color': tone('#ffffff', '#2a3639'), 'line-width': width(1) },
    },
    {
      id: 'building', type: 'fill', source: 'building', minzoom: 13,
      paint: { 'fill-color': tone('#dcd8ce', '#233032'), 'fill-outline-color': tone('#c6c0b2', '#34474a') },
    },
    {
      id: 'building-3d', type: 'fill-extrusion', source: 'building', minzoom: 13, layout: { visibility: 'none' },
      paint: {
        'fill-extrusion-color': tone('#dcd8ce', '#2a3a3d'),
        'fill-extrusion-height': ['interpolate', ['linear'], ['zoom'], 13, 0, 14, ['coalesce', ['get', 'height'], 4]],
        'fill-extrusion-opacity': 0.85,
      },
    },
    {
      id: 'street-name', type: 'symbol', source: 'street', minzoom: 14,
      layout: { ...LABEL, 'text-field': named(language), 'symbol-placement': 'line', 'text-size': 11 },
      paint: label(),
    },
    {
      id: 'zone-name', type: 'symbol', source: 'zone', filter: ['any', AREA, ['>=', ['zoom'], 15]],
      layout: {
        ...LABEL, 'text-field': named(language), 'symbol-sort-key': ['case', AREA, 0, 1],
        'text-size': ['interpolate', ['linear'], ['zoom'], 9, ['case', AREA, 11, 9], 15, ['case', AREA, 16, 12]],
      },
      paint: label(),
    },
  ]
}

function label(): { 'text-color': ExpressionSpecification; 'text-halo-color': ExpressionSpecification; 'text-halo-width': number } {
  return { 'text-color': tone('#42524c', '#a9b8b3'), 'text-halo-color': tone('#f6f8f5', '#10171a'), 'text-halo-width': 1.4 }
}

/** A whole style without any data yet. */
export function cityStyle(language: string, isDark: boolean): StyleSpecification {
  return {
    version: 8,
    'font-faces': fontFaces(),
    state: { theme: { default: isDark ? 'dark' : 'light' } },
    sources: Object.fromEntries(STILL.map((role) => [role, { type: 'geojson', data: EMPTY }])),
    layers: layers(language),
  }
}
