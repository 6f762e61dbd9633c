// How a device is, in one word; which entities it writes; what its maker needs to let it send.

/** What is looked at of a device. */
export interface Vitals {
  deviceState: string
  silent: boolean
  lastHeard: string | null
  quality: Record<string, number>
  battery: number | null
}

export type Health = 'retired' | 'planned' | 'maintenance' | 'silent' | 'unheard' | 'battery' | 'doubtful' | 'fine'

const LOW_BATTERY = 0.2
const DOUBTFUL = 0.9

/** Share of the tested values that are good, 0 to 1; undefined if none was tested. */
export function goodShare(flags: Record<string, number>): number | undefined {
  let tested = 0
  for (const [flag, count] of Object.entries(flags)) if (flag !== 'notEvaluated') tested += count
  return tested ? (flags.good ?? 0) / tested : undefined
}

/** A battery level as a share; some devices tell it in per cent. */
export function batteryShare(level: number | null): number | undefined {
  if (level === null || !Number.isFinite(level) || level < 0) return undefined
  return level > 1 ? Math.min(level / 100, 1) : level
}

/** The most urgent thing to be said of a device. */
export function healthOf(device: Vitals): Health {
  const state = device.deviceState
  if (state === 'retired' || state === 'planned' || state === 'maintenance') return state
  if (device.silent) return 'silent'
  if (!device.lastHeard) return 'unheard'
  const battery = batteryShare(device.battery)
  if (battery !== undefined && battery < LOW_BATTERY) return 'battery'
  const good = goodShare(device.quality)
  return good !== undefined && good < DOUBTFUL ? 'doubtful' : 'fine'
}

const KINDS: Record<Health, 'good' | 'bad' | 'warn' | 'quiet'> = {
  retired: 'quiet', planned: 'quiet', maintenance: 'quiet', silent: 'bad', unheard: 'warn', battery: 'warn', doubtful: 'warn', fine: 'good',
}

export function healthKind(health: Health): 'good' | 'bad' | 'warn' | 'quiet' {
  return KINDS[health]
}

/** The ids that a device will write, of the patterns of its profile. */
export function targets(patterns: string[], name: string): string[] {
  return patterns.map((pattern) => pattern.replaceAll('{device}', name || '…'))
}

/** Up to `most` fields that messages of a profile have, to show how one may look. */
export function exampleFields(toml: string, most = 2): string[] {
  const found: string[] = []
  let isAttributes = false
  for (const line of toml.split('\n')) {
    const header = /^\s*\[\s*([^\]]+?)\s*\]/.exec(line)
    if (header) {
      const table = header[1] ?? ''
      isAttributes = /(^|\.)attributes$/.test(table)
      const one = /(?:^|\.)attributes\.([\w-]+)$/.exec(table)
      if (one?.[1]) found.push(one[1])
      continue
    }
    const field = isAttributes ? /^\s*([\w-]+)\s*=\s*\{(.*)\}/.exec(line) : null
    if (!field?.[1] || /\b(value|target|expression)\s*=/.test(field[2] ?? '')) continue
    found.push(/\bpath\s*=\s*"([\w-]+)"/.exec(field[2] ?? '')?.[1] ?? field[1])
  }
  return [...new Set(found)].slice(0, most)
}

export interface Ways {
  http: string
  mqtt: string
}

/** The lines by which a device sends its first message over HTTP and MQTT. */
export function waysToSend(root: string, host: string, device: string, key: string, fields: string[]): Ways {
  const names = fields.length ? fields : ['temperature']
  const values = Object.fromEntries(names.map((name) => [name, 21.5]))
  const body = JSON.stringify({ values })
  return {
    http: `curl ${root}/devices/${encodeURIComponent(device)}/up -H "Authorization: Bearer ${key}" -d '${body}'`,
    mqtt: `mosquitto_pub -h ${host} -q 1 -u ${device} -P "${key}" -t v1/devices/${device}/up -m '${body}'`,
  }
}

/** A table as CSV that spreadsheets open: with a byte order mark, so that Korean is read as it is. */
export function csv(rows: (string | number)[][]): string {
  const cell = (value: string | number): string => {
    const text = String(value)
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
  }
  return `\uFEFF${rows.map((row) => row.map(cell).join(',')).join('\r\n')}\r\n`
}
