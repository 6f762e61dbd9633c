// One map of the city: opened on an element, painted in the page's colours, closed again.
import type { GeoJSONSource, Map as MapLibre } from 'maplibre-gl'

import { MovingCanvas } from '../live/canvas'
import { kindsOfCity, stillOf } from './asked'
import type { Camera } from './address'
import { drawnOf, type Drawn, type Hit } from './drawn'
import { roleOf, type Basemap } from './kinds'
import { maplibre } from './maplibre'
import { featuresOf, type Bounds, type Mark } from './marks'
import { addBasemap } from './basemap'
import { addMarks, MARK_LAYERS } from './mark-layers'
import { cityStyle, named, STILL, type Role } from './style'
import { tone } from './tone'

export interface CityOptions {
  language: string
  isDark?: boolean
  /** What the map is about, for screen readers. */
  label?: string
  /** Draws the city by itself and is scrolled past. */
  isSmall?: boolean
  camera?: Camera
}

const SEOUL: [number, number] = [126.978, 37.566]
const WIDEST_ZOOM = 2
const PITCH_3D = 55
const BEARING_3D = -20
const TOOLS_PX = 40
const MOST_NAMED = 12 // marks of a small map
const NEAR_PX = 8 // of the pointer
const FLIGHT_MS = 800

/** Open a map on an element; throws if the browser has no WebGL 2. */
export function openCityMap(container: HTMLElement, options: CityOptions): CityMap {
  return new CityMap(container, options)
}

export class CityMap {
  readonly map: MapLibre
  /** Kept once the style is there, so that sources can be filled. */
  readonly ready: Promise<void>
  onpick: (hit: Hit | undefined) => void = () => {}
  readonly #drawn = new Map<string, Drawn>()
  #moving: MovingCanvas | undefined
  #ringed: [number, number] | undefined
  #isClosed = false

  constructor(container: HTMLElement, options: CityOptions) {
    const { camera } = options
    this.map = new maplibre.Map({
      container,
      style: cityStyle(options.language, options.isDark ?? false),
      center: camera ? [camera.lon, camera.lat] : SEOUL,
      zoom: camera?.zoom ?? 11,
      pitch: camera?.pitch ?? 0,
      bearing: camera?.bearing ?? 0,
      minZoom: WIDEST_ZOOM,
      maxPitch: 70,
      attributionControl: false,
      cooperativeGestures: options.isSmall ?? false,
      fadeDuration: 0,
      ...(options.label ? { locale: { 'Map.Title': options.label } } : {}),
    })
    this.ready = new Promise((kept) => this.map.once('style.load', () => kept()))
    this.map.on('click', (event) => this.onpick(this.#hit(event.point.x, event.point.y)))
    this.map.on('mousemove', (event) => {
      this.map.getCanvas().style.cursor = this.#hit(event.point.x, event.point.y) ? 'pointer' : ''
    })
    this.map.getCanvas().addEventListener('keydown', (event) => {
      if (event.key === 'Enter') this.onpick(this.#nearest())
    })
    if (options.isSmall) void this.ready.then(() => this.#ground())
  }

  paint(isDark: boolean): void {
    this.map.setGlobalStateProperty('theme', isDark ? 'dark' : 'light')
  }

  speak(language: string): void {
    for (const role of ['street', 'zone'] as const) {
      this.map.setLayoutProperty(`${role}-name`, 'text-field', named(language))
    }
  }

  // --- where one looks --------------------------------------------------------------------------

  get camera(): Camera {
    const { lng, lat } = this.map.getCenter()
    return { lon: lng, lat, zoom: this.map.getZoom(), pitch: this.map.getPitch(), bearing: this.map.getBearing() }
  }

  get bounds(): Bounds {
    const found = this.map.getBounds()
    return [found.getWest(), found.getSouth(), found.getEast(), found.getNorth()]
  }

  jump({ lon, lat, zoom, pitch, bearing }: Camera): void {
    this.map.jumpTo({ center: [lon, lat], zoom, pitch, bearing })
  }

  fly(lon: number, lat: number, zoom = Math.max(this.map.getZoom(), 15)): void {
    this.map.flyTo({ center: [lon, lat], zoom, duration: FLIGHT_MS })
  }

  /** Show all of it, beside what lies over the left of the map. [px] */
  fit(bounds: Bounds, isAnimated = true, covered = 0): void {
    const padding = { top: 40, bottom: 40, left: 40 + covered, right: 40 + (covered ? TOOLS_PX : 0) }
    this.map.fitBounds(bounds, { padding, maxZoom: 15.5, animate: isAnimated, duration: FLIGHT_MS })
  }

  /** Buildings as they rise, or flat. */
  rise(is3d: boolean): void {
    this.map.setLayoutProperty('building-3d', 'visibility', is3d ? 'visible' : 'none')
    this.map.setLayoutProperty('building', 'visibility', is3d ? 'none' : 'visible')
  }

  /** Look from the side, or from above with north on top. */
  tilt(is3d: boolean): void {
    this.map.easeTo({ pitch: is3d ? PITCH_3D : 0, bearing: is3d ? BEARING_3D : 0, duration: FLIGHT_MS })
  }

  // --- what is on it ----------------------------------------------------------------------------

  base(basemap: Basemap | null): void {
    if (!basemap) return
    addBasemap(this.map, basemap)
    // Whoever made the tiles is named, as their licences ask.
    if (basemap.attribution) this.map.addControl(new maplibre.AttributionControl({ compact: false }), 'bottom-right')
  }

  /** What stands still in one role: streets, zones or buildings. */
  still(role: Role, features: GeoJSON.FeatureCollection): void {
    if (!this.#isClosed) this.map.getSource<GeoJSONSource>(role)?.setData(features)
  }

  /** The layer of things of a type, made when it is first asked for. */
  drawn(type: string, count: number, isMoving: boolean): Drawn {
    let found = this.#drawn.get(type)
    if (!found) this.#drawn.set(type, (found = drawnOf(this.map, this.#canvas, type, count, isMoving)))
    return found
  }

  #canvas = (): MovingCanvas => (this.#moving ??= new MovingCanvas(this.map))

  /** Take away the layers of all other types. */
  keep(types: string[]): void {
    for (const [type, drawn] of this.#drawn) {
      if (types.includes(type)) continue
      drawn.remove()
      this.#drawn.delete(type)
    }
  }

  /** Show marks, in place of those before. */
  mark(marks: Mark[]): void {
    if (this.#isClosed) return
    const data = featuresOf(marks)
    const source = this.map.getSource<GeoJSONSource>('marks')
    if (source) void source.setData(data)
    else addMarks(this.map, data)
    // Names of many would lie over the marks themselves; the list has them.
    this.map.setLayoutProperty('marks-name', 'visibility', marks.length > MOST_NAMED ? 'none' : 'visible')
  }

  /** Put a ring around one place; undefined takes it away. */
  ring(lonlat: [number, number] | undefined): void {
    if (this.#isClosed || isSame(lonlat, this.#ringed)) return // drawing the map anew for nothing
    this.#ringed = lonlat
    const geometry: GeoJSON.Geometry = lonlat ? { type: 'Point', coordinates: lonlat } : { type: 'MultiPoint', coordinates: [] }
    const data: GeoJSON.Feature = { type: 'Feature', geometry, properties: {} }
    const source = this.map.getSource<GeoJSONSource>('ring')
    if (source) {
      void source.setData(data)
      if (this.map.getLayer('ring')) this.map.moveLayer('ring')
      return
    }
    this.map.addSource('ring', { type: 'geojson', data })
    this.map.addLayer({
      id: 'ring', type: 'circle', source: 'ring',
      paint: {
        'circle-radius': 14, 'circle-opacity': 0, 'circle-stroke-width': 3.5, 'circle-stroke-color': tone('#18211f', '#ffffff'),
      },
    })
  }

  /** Where a cluster comes apart. */
  async open(hit: Hit): Promise<void> {
    const source = this.map.getSource<GeoJSONSource>(`things ${hit.type}`)
    if (!source || hit.cluster === undefined) return
    const zoom = await source.getClusterExpansionZoom(hit.cluster)
    this.map.easeTo({ center: hit.lonlat, zoom: zoom + 0.3, duration: FLIGHT_MS })
  }

  close(): void {
    this.#isClosed = true
    if (this.#moving) this.map.removeLayer(this.#moving.id)
    this.map.remove()
  }

  // --- what was hit -----------------------------------------------------------------------------

  #hit(x: number, y: number, near = NEAR_PX): Hit | undefined {
    for (const one of this.#drawn.values()) {
      const found = one.pick({ x, y })
      if (found) return found
    }
    const of = new Map<string, string>(MARK_LAYERS.map((id) => [id, '']))
    for (const one of this.#drawn.values()) for (const id of one.layers) of.set(id, one.type)
    for (const id of ['building-3d', 'building', 'street']) of.set(id, '')
    const layers = [...of.keys()].filter((id) => this.map.getLayer(id))
    const box: [[number, number], [number, number]] = [[x - near, y - near], [x + near, y + near]]
    const all = this.map.queryRenderedFeatures(box, { layers })
    const one = all.find((feature) => feature.geometry.type === 'Point') ?? this.map.queryRenderedFeatures([x, y], { layers })[0]
    if (!one) return undefined
    const { lng, lat } = this.map.unproject([x, y])
    const lonlat = one.geometry.type === 'Point' ? one.geometry.coordinates : [lng, lat]
    const id: unknown = one.properties.id
    const cluster: unknown = one.properties.cluster_id
    return {
      type: of.get(one.layer.id) ?? '',
      lonlat: [lonlat[0] ?? lng, lonlat[1] ?? lat],
      ...(typeof cluster === 'number' ? { cluster } : typeof id === 'string' ? { id } : {}),
    }
  }

  /** The thing nearest to the middle: what Enter chooses. */
  #nearest(): Hit | undefined {
    const { x, y } = this.map.project(this.map.getCenter())
    for (const near of [10, 30, 80]) {
      const found = this.#hit(x, y, near)
      if (found?.id) return found
    }
    return undefined
  }

  /** The city below the marks of a small map. */
  async #ground(): Promise<void> {
    try {
      const { types, basemap } = await kindsOfCity()
      if (this.#isClosed) return
      this.base(basemap)
      for (const role of STILL) this.still(role, await stillOf(types.filter((kind) => roleOf(kind) === role)))
    } catch {
      // Whoever may not read streets and buildings sees the marks on an empty ground.
    }
  }
}

function isSame(one: [number, number] | undefined, other: [number, number] | undefined): boolean {
  return one?.[0] === other?.[0] && one?.[1] === other?.[1]
}
