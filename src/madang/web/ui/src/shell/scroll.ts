// How far down a view was scrolled: "back" returns there, once what is in the view has come again.

const KEPT = 'scroll' // in the storage of the tab, for pages that are left and loaded again
const MOST = 200 // steps of the history
const WAIT_MS = 10_000 // for data; who scrolls or types meanwhile is left alone
const DEEDS = ['wheel', 'touchstart', 'pointerdown', 'keydown'] as const

interface Step {
  step: number
}

const places = new Map<number, number>(kept())
let here = 0
let stop = (): void => {}

history.scrollRestoration = 'manual' // browsers do it before the data has come
arrive()
addEventListener('pagehide', () => {
  leave()
  const text = JSON.stringify([...places].slice(-MOST))
  try {
    sessionStorage.setItem(KEPT, text)
  } catch {
    // Without room or leave to store anything, a page that is loaded again begins at its top.
  }
})

/** Remember how far down the step is that is about to be left. */
export function leave(): void {
  places.set(here, scrollY)
  stop()
}

/** What the history is told of a new step. */
export function nextStep(): Step {
  here = Date.now() + Math.random()
  return { step: here }
}

/** Go where one was in the step of the history that is shown now; a step without a number is new. */
export function arrive(): void {
  const state = history.state as Partial<Step> | null
  if (state?.step === undefined) {
    history.replaceState(nextStep(), '')
    return
  }
  here = state.step
  const place = places.get(here)
  if (place !== undefined) waitFor(place)
}

function waitFor(place: number): void {
  stop()
  const go = (): void => {
    const end = document.documentElement.scrollHeight - innerHeight
    if (end >= place && scrollY !== place) scrollTo(0, place)
  }
  // Content comes and goes while it is loaded: as long as it does, this is where one wants to be.
  const watch = new ResizeObserver(go)
  watch.observe(document.body)
  const timer = setTimeout(() => stop(), WAIT_MS)
  for (const deed of DEEDS) addEventListener(deed, end, { passive: true })
  function end(): void {
    stop()
  }
  stop = () => {
    watch.disconnect()
    clearTimeout(timer)
    for (const deed of DEEDS) removeEventListener(deed, end)
    stop = () => {}
  }
  go()
}

function kept(): [number, number][] {
  try {
    return JSON.parse(sessionStorage.getItem(KEPT) ?? '[]') as [number, number][]
  } catch {
    return []
  }
}
