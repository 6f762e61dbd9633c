// How uPlot draws the series of a chart: lines, bands, an axis for each unit, colours of the page.
import type uPlot from 'uplot'

import { number } from '../api/entities'
import { unitsOf, type Aligned, type Series } from './series'
import { tickLabels } from './time_axis'

export interface Wanted {
  series: Series[]
  data: Aligned
  height: number
  language: string
  range?: [number, number]
  isNumber: boolean
}

export interface Told {
  /** The pointer is at the time of this index; undefined: it is outside. */
  pointed: (index: number | undefined) => void
  zoomed?: (from_s: number, to_s: number) => void
  back?: () => void
}

/** Lines differ by colour and by dash, so that nobody needs to tell colours apart. */
const COLOURS = [
  'light-dark(#00695f, #5fd0c2)', 'light-dark(#b3480f, #ff9d5c)', 'light-dark(#2a5db0, #86b3ff)', 'light-dark(#8b2a8f, #e39be6)',
  'light-dark(#6b6a00, #d3d05a)', 'light-dark(#51605c, #a5b3af)',
]
const DASHES: number[][] = [[], [8, 4], [2, 3], [12, 3, 2, 3], [5, 2], [1, 4]]
const FONT = '12px system-ui, sans-serif'
/** Between the times of two ticks. [px] */
const TICK_SPACE = 72
/** Height of the horizontal axis. [px] */
const X_AXIS = 32
const AXES = 2
/** Widest digit of the font. [px] */
const DIGIT = 8
/** On either side of a single time. [s] */
const HALF_HOUR = 1800

/** The colour that CSS makes of a value at present, dark or light. */
export function computed(at: HTMLElement, value: string): string {
  const probe = at.ownerDocument.createElement('span')
  probe.style.color = value
  at.append(probe)
  const colour = getComputedStyle(probe).color
  probe.remove()
  return colour
}

export function options(
  target: HTMLElement,
  wanted: Wanted,
  told: Told,
): { options: uPlot.Options; data: uPlot.AlignedData; colours: string[] } {
  const colour = (value: string): string => computed(target, value)
  const colours = wanted.series.map((_, index) => colour(COLOURS[index % COLOURS.length] ?? ''))
  const units = unitsOf(wanted.series)
  const range = rangeOf(wanted)
  const series: uPlot.Series[] = [{}]
  const bands: uPlot.Band[] = []
  const data: (number | null | undefined)[][] = [wanted.data.at]
  for (const [index, one] of wanted.series.entries()) {
    const columns = wanted.data.columns[index]
    const scale = scaleOf(one.unit)
    const stroke = colours[index] ?? ''
    if (columns?.low && columns.high) {
      const edge = (): uPlot.Series => ({ scale, stroke: 'transparent', points: { show: false } })
      bands.push({ series: [series.length + 1, series.length], fill: faint(stroke) })
      series.push(edge(), edge())
      data.push(columns.low, columns.high)
    }
    series.push({ label: one.label, scale, stroke, width: 2, dash: DASHES[index % DASHES.length] ?? [] })
    data.push(columns?.value ?? [])
  }
  const ink = colour('var(--soft)')
  const line = colour('var(--line)')
  const axis: uPlot.Axis = {
    stroke: ink, font: FONT, labelFont: FONT, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 },
  }
  return {
    colours,
    data: data as uPlot.AlignedData,
    options: {
      width: target.clientWidth || 300,
      height: wanted.height,
      series,
      bands,
      legend: { show: false },
      scales: { x: { time: !wanted.isNumber, ...(range ? { range: () => range } : {}) } },
      axes: [timeAxis(axis, wanted), ...units.slice(0, AXES).map((unit, index) => valueAxis(axis, unit, index))],
      cursor: {
        y: false,
        drag: { x: true, y: false, setScale: !told.zoomed, dist: 4 },
        bind: told.back && told.zoomed ? { dblclick: () => () => (told.back?.(), null) } : {},
      },
      hooks: {
        setCursor: [(plot) => told.pointed(plot.cursor.idx ?? undefined)],
        setSelect: [(plot) => chosen(plot, told)],
      },
    },
  }
}

/** What the horizontal axis shows; undefined: what the values cover, which is nothing if there is but one time. */
function rangeOf({ range, data, isNumber }: Wanted): [number, number] | undefined {
  const [only, ...others] = data.at
  if (range || only === undefined || others.length) return range
  const around = isNumber ? 1 : HALF_HOUR
  return [only - around, only + around]
}

function scaleOf(unit = ''): string {
  return `of ${unit}`
}

function faint(colour: string): string {
  return colour.replace(/^rgb\((.*)\)$/, 'rgba($1, 0.18)')
}

function timeAxis(axis: uPlot.Axis, wanted: Wanted): uPlot.Axis {
  const values: uPlot.Axis.DynamicValues = wanted.isNumber
    ? (_, splits) => splits.map((one) => number(one, 6))
    : (_, splits, __, ___, step) => tickLabels(splits, step, wanted.language)
  return { ...axis, space: TICK_SPACE, size: X_AXIS, values }
}

function valueAxis(axis: uPlot.Axis, unit: string, index: number): uPlot.Axis {
  return {
    ...axis,
    scale: scaleOf(unit),
    side: index === 0 ? 3 : 1,
    grid: { ...axis.grid, show: index === 0 },
    values: (_, splits) => splits.map((one) => number(one, 6)),
    size: (_, values) => 20 + DIGIT * Math.max(2, ...(values ?? []).map((one) => String(one).length)),
    ...(unit ? { label: unit, labelSize: 18, labelGap: 0 } : {}),
  }
}

function chosen(plot: uPlot, told: Told): void {
  if (!told.zoomed || plot.select.width <= 0) return
  const from = plot.posToVal(plot.select.left, 'x')
  const to = plot.posToVal(plot.select.left + plot.select.width, 'x')
  plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false)
  told.zoomed(from, to)
}
