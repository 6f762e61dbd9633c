// The live stream of the map over one WebSocket: what is asked, what comes, and coming back after a loss.
import { problemIn, tenant, type Problem, type Told as Trouble } from '../api/client'
import { ROOT } from '../shell/place'
import { decode } from './decode.ts'
import { Held, type Frame, type LiveLayer } from './held.ts'

export type { Frame, LiveLayer } from './held.ts'

/**
 * `live`: messages come. `reconnecting`: the connection was lost and is tried again.
 * `offline`: the browser has no network, or several tries have failed; it is still tried.
 */
export type LiveState = 'connecting' | 'live' | 'reconnecting' | 'offline'

export interface LiveStream {
  /** Say what is seen; call it as often as the map moves. */
  look(bounds: [west: number, south: number, east: number, north: number], zoom: number, layers: LiveLayer[]): void
  onframe: (frame: Frame) => void
  /** A layer cannot be shown, or nothing can (`layer` is ''); the hub's words say what to do. */
  onproblem: (layer: string, problem: Problem) => void
  close(): void
}

const FIRST_WAIT_MS = 500
const LONGEST_WAIT_MS = 30_000
const TRIES_UNTIL_OFFLINE = 5
const SILENCE_MS = 40_000 // the hub says something every 15 s
const LOOK_MS = 200 // between two looks while the map moves
const SEEN_EVERY = 4 // messages; the hub waits after ten that it has not been told of

type Told = Trouble & { pulse?: number; layer?: string }

/**
 * Open the stream; it is connected again whenever it is lost, until it is closed.
 *
 * @param onstate is told of each state, and while live of the delay from a change to here. [ms]
 */
export function openLive(onstate: (state: LiveState, delay_ms?: number) => void): LiveStream {
  return new Stream(onstate)
}

class Stream implements LiveStream {
  onframe: (frame: Frame) => void = () => {}
  onproblem: (layer: string, problem: Problem) => void = () => {}
  #tell: (state: LiveState, delay_ms?: number) => void
  #socket: WebSocket | undefined
  #held = new Held()
  #asked: { bounds: number[]; zoom: number; layers: LiveLayer[] } | undefined
  #looks = 0
  #seen = 0
  #isSent = true
  #lookTimer = 0
  #retryTimer = 0
  #silenceTimer = 0
  #tries = 0
  #isClosed = false
  #isRefused = false
  #clock = new Clock()

  constructor(tell: (state: LiveState, delay_ms?: number) => void) {
    this.#tell = tell
    addEventListener('online', this.#again)
    addEventListener('offline', this.#lost)
    this.#connect()
  }

  look(bounds: [number, number, number, number], zoom: number, layers: LiveLayer[]): void {
    this.#asked = { bounds, zoom, layers: layers.map((layer) => ({ ...layer })) }
    this.#isSent = false
    if (this.#isRefused) this.#again()
    if (!this.#lookTimer) this.#sendLook()
  }

  close(): void {
    this.#isClosed = true
    removeEventListener('online', this.#again)
    removeEventListener('offline', this.#lost)
    clearTimeout(this.#lookTimer)
    clearTimeout(this.#retryTimer)
    clearTimeout(this.#silenceTimer)
    this.#socket?.close()
  }

  #connect(): void {
    this.#tell(this.#tries === 0 ? 'connecting' : this.#tries < TRIES_UNTIL_OFFLINE ? 'reconnecting' : 'offline')
    const url = new URL(`${ROOT}/live`, location.href)
    url.protocol = url.protocol.replace('http', 'ws')
    if (tenant.name) url.searchParams.set('tenant', tenant.name)
    const socket = new WebSocket(url)
    socket.binaryType = 'arraybuffer'
    socket.onopen = () => {
      this.#looks = this.#seen = 0
      this.#isSent = false
      this.#held.lose()
      this.#sendLook()
      this.#hear()
    }
    socket.onmessage = (event: MessageEvent<ArrayBuffer | string>) => this.#take(event.data)
    socket.onclose = () => {
      if (this.#socket === socket) this.#lost()
    }
    this.#socket = socket
    this.#hear()
  }

  #sendLook = (): void => {
    this.#lookTimer = 0
    if (this.#isSent || !this.#asked || this.#socket?.readyState !== WebSocket.OPEN) return
    this.#looks += 1
    this.#held.look(this.#looks, this.#asked.layers)
    this.#socket.send(JSON.stringify(this.#asked))
    this.#isSent = true
    this.#lookTimer = window.setTimeout(this.#sendLook, LOOK_MS)
  }

  #take(data: ArrayBuffer | string): void {
    this.#hear()
    if (typeof data === 'string') {
      this.#told(JSON.parse(data) as Told)
      return
    }
    const message = decode(data)
    const frames = this.#held.take(message)
    const at = Math.max(0, ...frames.map((frame) => frame.at))
    this.#tries = 0
    this.#tell('live', this.#clock.delay(message.sent, at))
    for (const frame of frames) this.onframe(frame)
    this.#seen += 1
    if (this.#seen % SEEN_EVERY === 0) this.#socket?.send(JSON.stringify({ seen: this.#seen }))
  }

  #told(told: Told): void {
    if (told.pulse !== undefined) {
      this.#tries = 0
      this.#tell('live', this.#clock.delay(told.pulse, 0))
      return
    }
    const layer = told.layer ?? ''
    // Asking the same again would be refused again: it waits for another look.
    if (!layer && (told.status === 400 || told.status === 403)) this.#isRefused = true
    this.onproblem(layer, problemIn(told))
  }

  /** Something was heard: give the hub time again. */
  #hear(): void {
    clearTimeout(this.#silenceTimer)
    this.#silenceTimer = window.setTimeout(this.#lost, SILENCE_MS)
  }

  #lost = (): void => {
    if (this.#isClosed) return
    const socket = this.#socket
    this.#socket = undefined
    socket?.close()
    clearTimeout(this.#silenceTimer)
    clearTimeout(this.#retryTimer)
    this.#tries += 1
    const waits = !navigator.onLine || this.#isRefused // for the network, or for another look
    this.#tell(waits || this.#tries >= TRIES_UNTIL_OFFLINE ? 'offline' : 'reconnecting')
    if (waits) return
    // All pages lose a hub that stops at the same moment; they must not come back at the same one.
    const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (this.#tries - 1)) * (0.5 + Math.random())
    this.#retryTimer = window.setTimeout(this.#again, wait)
  }

  #again = (): void => {
    clearTimeout(this.#retryTimer)
    this.#isRefused = false
    if (!this.#isClosed && !this.#socket) this.#connect()
  }
}

const CLOCK_WINDOW = 50

/**
 * Delays by two clocks that need not agree. The quickest of the last messages shows how far they
 * are apart, up to the time of the way itself, which is therefore left out.
 */
class Clock {
  #apart: number[] = []

  /** Return how old a change of the moment `at` is; undefined without one. [ms] */
  delay(sent: number, at: number): number | undefined {
    const now = Date.now()
    this.#apart.push(now - sent)
    if (this.#apart.length > CLOCK_WINDOW) this.#apart.shift()
    if (!at) return undefined
    return Math.max(0, now - Math.min(...this.#apart) - at)
  }
}
