// How the time axis of a chart is written, in the reader's language.

const MINUTE = 60
const DAY = 86_400
const MONTH = 28 * DAY
const YEAR = 365 * DAY

/**
 * Labels of the ticks of a time axis: the day where a new one begins, else the time of day.
 *
 * @param times - of the ticks. [s since 1970]
 * @param step_s - between two of them.
 * @param zone - of the clock; the reader's own if left out.
 */
export function tickLabels(times: number[], step_s: number, language: string, zone?: string): string[] {
  const format = (options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat =>
    new Intl.DateTimeFormat(language, { ...options, timeZone: zone })
  const year = format({ year: 'numeric' })
  const month = format({ year: 'numeric', month: 'short' })
  const day = format({ month: 'short', day: 'numeric' })
  const clock = format({
    hour: '2-digit', minute: '2-digit', hourCycle: 'h23', ...(step_s < MINUTE ? { second: '2-digit' } : {}),
  })
  let before = ''
  return times.map((time) => {
    const date = new Date(time * 1000)
    if (step_s >= YEAR) return year.format(date)
    if (step_s >= MONTH) return month.format(date)
    const ofDay = day.format(date)
    if (step_s >= DAY) return ofDay
    const isNew = before !== '' && ofDay !== before
    before = ofDay
    return isNew ? ofDay : clock.format(date)
  })
}
