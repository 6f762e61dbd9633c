// The line of a small chart, as the path of an SVG.

/**
 * Draw values from left to right into a box; nulls are gaps, a value alone is a short stroke.
 *
 * @param at - times of the values; evenly spaced if left out.
 */
export function sparkPath(value: (number | null)[], width: number, height: number, at?: number[]): string {
  const numbers = value.filter((one): one is number => one !== null && Number.isFinite(one))
  if (!numbers.length) return ''
  const [min, max] = [Math.min(...numbers), Math.max(...numbers)]
  const times = at ?? value.map((_, index) => index)
  const start = times[0] ?? 0
  const span = (times[times.length - 1] ?? 0) - start
  const x = (index: number): number => (span > 0 ? (((times[index] ?? 0) - start) / span) * width : width / 2)
  const y = (one: number): number => (max > min ? height - ((one - min) / (max - min)) * height : height / 2)
  let path = ''
  let isDown = false
  for (const [index, one] of value.entries()) {
    if (one === null || !Number.isFinite(one)) {
      isDown = false
      continue
    }
    path += `${isDown ? 'L' : 'M'}${x(index).toFixed(1)} ${y(one).toFixed(1)}`
    // A stroke of no length is drawn as a dot by round caps.
    if (!isDown) path += 'h0'
    isDown = true
  }
  return path
}
