// One layer of things on the map: still ones in clusters, moving ones each by itself.
import type { ExpressionSpecification, GeoJSONSource, Map as MapLibre } from 'maplibre-gl'

import type { MovingCanvas } from '../live/canvas'
import { MovingPoints } from '../live/points'
import type { Frame } from '../live/stream'
import { paint, paintMean, painter, type Colours } from './colours'
import { FONT } from './glyphs'
import { isWarning } from './kinds'
import { EMPTY } from './marks'
import type { Things } from './things'
import { tone } from './tone'

const CLUSTERED_FROM = 200 // things; fewer are each shown by itself
const CLUSTER_PX = 38
const LEAST_IN_CLUSTER = 4
const LAST_CLUSTERED_ZOOM = 14
const REDRAWN_MS = 200 // at most so often
const MOVING_PX = 6
const CLUSTER = tone('#3e5c55', '#9fb8b1')
const WARNING: ExpressionSpecification = [
  'match', ['coalesce', ['get', 't'], ''],
  ['critical', 'Extreme', 'extreme'], tone('#8d1410', '#ff7f75'),
  ['high', 'Severe', 'severe', 'open', 'reported', 'acknowledged'], tone('#b3261e', '#ff9b92'),
  ['informational', 'low', 'Minor', 'minor', 'closed', 'resolved'], tone('#7a6a3a', '#c9b57a'),
  tone('#a86400', '#f3c26b'),
]

/** What was hit by a click: a thing, or a cluster of them. */
export interface Hit {
  type: string
  id?: string
  cluster?: number
  lonlat: [number, number]
}

/** A layer of things, whichever way it is drawn. */
export interface Drawn {
  readonly type: string
  /** Layers of the style that a click may hit, the topmost first. */
  readonly layers: string[]
  colour(colours: Colours | undefined, isDark: boolean): void
  /** Show things as they are now; `frame` is what has changed, if that is known. */
  show(things: Things, frame?: Frame): void
  /** What is drawn at a place of the canvas by other means than layers of the style. */
  pick(at: { x: number; y: number }): Hit | undefined
  remove(): void
}

/** `canvas` gives that of what moves, made when it is first asked for. */
export function drawnOf(map: MapLibre, canvas: () => MovingCanvas, type: string, count: number, isMoving: boolean): Drawn {
  return isMoving && !isWarning(type) ? new Moving(map, canvas(), type) : new Standing(map, type, count)
}

class Moving implements Drawn {
  readonly layers: string[] = []
  readonly #points: MovingPoints

  constructor(
    map: MapLibre,
    canvas: MovingCanvas,
    readonly type: string,
  ) {
    this.#points = new MovingPoints(map, canvas, painter(undefined, false), MOVING_PX)
  }

  colour(colours: Colours | undefined, isDark: boolean): void {
    this.#points.recolour(painter(colours, isDark), isDark ? [11, 17, 19] : [255, 255, 255])
  }

  show(things: Things, frame?: Frame): void {
    this.#points.take(frame ?? things.frame(this.type))
  }

  pick(at: { x: number; y: number }): Hit | undefined {
    const id = this.#points.pick(at)
    const lonlat = id && this.#points.where(id)
    return lonlat ? { type: this.type, id, lonlat } : undefined
  }

  remove(): void {
    this.#points.remove()
  }
}

class Standing implements Drawn {
  readonly type: string
  readonly #map: MapLibre
  readonly #isClustered: boolean
  #things: Things | undefined
  /** What the map has not been told of yet: all of them, or some. */
  #isNew = true
  readonly #changed = new Set<string>()
  readonly #gone = new Set<string>()
  #busy = false
  #timer = 0
  #isGone = false

  constructor(map: MapLibre, type: string, count: number) {
    this.#map = map
    this.type = type
    this.#isClustered = !isWarning(type) && count >= CLUSTERED_FROM
    map.addSource(this.source, {
      type: 'geojson',
      data: EMPTY,
      promoteId: 'id',
      ...(this.#isClustered
        ? {
            cluster: true,
            clusterRadius: CLUSTER_PX,
            clusterMinPoints: LEAST_IN_CLUSTER,
            clusterMaxZoom: LAST_CLUSTERED_ZOOM,
            clusterProperties: {
              sum: ['+', ['coalesce', ['get', 'v'], 0]],
              with: ['+', ['case', ['has', 'v'], 1, 0]],
            },
          }
        : {}),
    })
    this.#addLayers()
  }

  get source(): string {
    return `things ${this.type}`
  }

  get layers(): string[] {
    return this.#isClustered ? [this.source, `${this.source} cluster`] : [this.source]
  }

  colour(colours: Colours | undefined): void {
    const colour = isWarning(this.type) ? WARNING : paint(colours)
    this.#map.setPaintProperty(this.source, 'circle-color', colour)
    if (!this.#isClustered) return
    this.#map.setPaintProperty(`${this.source} cluster`, 'circle-color', colours?.range ? paintMean(colours.range) : CLUSTER)
  }

  /** Shows them soon; what comes while the map is busy is shown with the next. */
  show(things: Things, frame?: Frame): void {
    this.#things = things
    this.#isNew ||= !frame || frame.isWhole
    for (const id of frame?.ids ?? []) {
      this.#gone.delete(id)
      this.#changed.add(id)
    }
    for (const id of frame?.gone ?? []) {
      this.#changed.delete(id)
      this.#gone.add(id)
    }
    if (!this.#timer && !this.#busy) void this.#draw()
  }

  pick(): undefined {
    return undefined
  }

  remove(): void {
    this.#isGone = true
    clearTimeout(this.#timer)
    for (const id of [`${this.source} count`, `${this.source} cluster`, this.source]) {
      if (this.#map.getLayer(id)) this.#map.removeLayer(id)
    }
    if (this.#map.getSource(this.source)) this.#map.removeSource(this.source)
  }

  async #draw(): Promise<void> {
    this.#timer = 0
    const things = this.#things
    if (!things || this.#isGone || !(this.#isNew || this.#changed.size || this.#gone.size)) return
    this.#busy = true
    const began = performance.now()
    await this.#tell(things)
    this.#busy = false
    const rest = Math.max(0, REDRAWN_MS - (performance.now() - began))
    this.#timer = window.setTimeout(() => void this.#draw(), rest)
  }

  /** Tell the map what is new: of thousands of things a few, for each has to go to its worker. */
  async #tell(things: Things): Promise<void> {
    const source = this.#map.getSource<GeoJSONSource>(this.source)
    const [isNew, add, remove] = [this.#isNew, [...this.#changed], [...this.#gone]]
    this.#isNew = false
    this.#changed.clear()
    this.#gone.clear()
    if (isNew) await source?.setData({ type: 'FeatureCollection', features: things.features() })
    else await source?.updateData({ add: things.features(add), remove })
  }

  #addLayers(): void {
    const isAlarm = isWarning(this.type)
    const edge = tone('#ffffff', '#0b1113')
    const size = isAlarm ? 9 : 6
    this.#map.addLayer({
      id: this.source, type: 'circle', source: this.source,
      ...(this.#isClustered ? { filter: ['!', ['has', 'point_count']] } : {}),
      paint: {
        'circle-color': isAlarm ? WARNING : tone('#00695f', '#5fd0c2'),
        'circle-radius': ['interpolate', ['linear'], ['zoom'], 10, size * 0.6, 14, size, 18, size * 1.8],
        'circle-stroke-color': edge,
        'circle-stroke-width': isAlarm ? 2.5 : 1.2,
      },
    })
    if (!this.#isClustered) return
    this.#map.addLayer({
      id: `${this.source} cluster`, type: 'circle', source: this.source, filter: ['has', 'point_count'],
      paint: {
        'circle-color': CLUSTER,
        'circle-radius': ['interpolate', ['linear'], ['get', 'point_count'], 2, 11, 50, 17, 1000, 26, 20_000, 38],
        'circle-stroke-color': edge, 'circle-stroke-width': 2, 'circle-opacity': 0.92,
      },
    })
    this.#map.addLayer({
      id: `${this.source} count`, type: 'symbol', source: this.source, filter: ['has', 'point_count'],
      layout: {
        'text-font': [FONT], 'text-field': ['get', 'point_count_abbreviated'], 'text-size': 12,
        'text-allow-overlap': true, 'text-ignore-placement': true,
      },
      paint: { 'text-color': '#ffffff', 'text-halo-color': '#14201d', 'text-halo-width': 1.4 },
    })
  }
}
