// Tiles from the city's own PMTiles file, below its own streets: pictures, or vectors in the usual schemas.
import type { FilterSpecification, LayerSpecification, Map as MapLibre } from 'maplibre-gl'

import { address } from '../api/client'
import type { Basemap } from './kinds'
import { tone } from './tone'

const SOURCE = 'basemap'

/** Names of layers in the OpenMapTiles, Protomaps and Shortbread schemas. */
const WATER = /^(water|ocean|water_polygons)$/
const GREEN = /^(landcover|landuse|park|land|natural)$/
const ROADS = /^(transportation|roads|streets|road)$/
const BUILDINGS = /^(building|buildings)$/
const BORDERS = /^(boundary|boundaries)$/

/** Add the base map right above the ground. */
export function addBasemap(map: MapLibre, basemap: Basemap): void {
  const tiles = [new URL(address('/map/tiles/'), location.href).href + '{z}/{x}/{y}']
  const { minzoom, maxzoom, bounds, attribution } = basemap
  const source = { tiles, minzoom, maxzoom, bounds, attribution }
  if (basemap.format === 'raster') {
    map.addSource(SOURCE, { type: 'raster', tileSize: 256, ...source })
    map.addLayer({ id: SOURCE, type: 'raster', source: SOURCE, paint: { 'raster-saturation': -0.4, 'raster-opacity': 0.8 } }, 'zone')
    return
  }
  map.addSource(SOURCE, { type: 'vector', ...source })
  for (const name of basemap.layers) for (const layer of drawn(name)) map.addLayer(layer, 'zone')
}

function drawn(name: string): LayerSpecification[] {
  const head = { source: SOURCE, 'source-layer': name }
  const polygons: FilterSpecification = ['==', ['geometry-type'], 'Polygon']
  if (WATER.test(name)) {
    return [{ ...head, id: `${SOURCE} ${name}`, type: 'fill', filter: polygons, paint: { 'fill-color': tone('#cfe0e8', '#12242d') } }]
  }
  if (GREEN.test(name)) {
    return [{ ...head, id: `${SOURCE} ${name}`, type: 'fill', filter: polygons, paint: { 'fill-color': tone('#e2ebdb', '#131e1a') } }]
  }
  if (BUILDINGS.test(name)) {
    return [{ ...head, id: `${SOURCE} ${name}`, type: 'fill', minzoom: 13, paint: { 'fill-color': tone('#e4e0d8', '#1c2729') } }]
  }
  if (ROADS.test(name)) {
    const width: LayerSpecification = {
      ...head, id: `${SOURCE} ${name}`, type: 'line', filter: ['==', ['geometry-type'], 'LineString'],
      paint: { 'line-color': tone('#f8faf7', '#243033'), 'line-width': ['interpolate', ['exponential', 1.6], ['zoom'], 10, 0.4, 14, 1.6, 18, 9] },
    }
    return [width]
  }
  if (BORDERS.test(name)) {
    return [{ ...head, id: `${SOURCE} ${name}`, type: 'line', paint: { 'line-color': tone('#b6beb9', '#3a4a46'), 'line-dasharray': [3, 2] } }]
  }
  return []
}
