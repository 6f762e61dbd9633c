// The address is the state: every view has a link, and back goes back.
import { CONTROL } from './place'
import { arrive, leave, nextStep } from './scroll'

const state = $state({ path: '', query: new URLSearchParams() })

function read(): void {
  const path = location.pathname.startsWith(CONTROL) ? location.pathname.slice(CONTROL.length) : '/'
  state.path = path.replace(/\/+$/, '') || '/'
  state.query = new URLSearchParams(location.search)
}
read()
addEventListener('popstate', () => {
  leave()
  read()
  arrive()
})

/** The path below the control room, such as `/incidents/7`. */
export function path(): string {
  return state.path
}

/** A parameter of the address, empty if there is none. */
export function query(name: string): string {
  return state.query.get(name) ?? ''
}

/** The address of a view, for `href`. */
export function href(path: string, parameters: Record<string, string> = {}): string {
  const found = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== ''))
  const text = found.toString()
  return CONTROL + (path === '/' ? '' : path) + (text ? `?${text}` : '')
}

/** Show a view. */
export function go(path: string, parameters: Record<string, string> = {}): void {
  push(href(path, parameters))
  scrollTo(0, 0)
}

/** Change parameters of the address, as a step that "back" takes back; an empty value takes one away. */
export function setQuery(changes: Record<string, string>): void {
  change(changes, push)
}

/** Change them in place: for what comes by itself or bit by bit, as while one types or moves a map. */
export function replaceQuery(changes: Record<string, string>): void {
  change(changes, (address) => {
    history.replaceState(history.state, '', address)
    read()
  })
}

function change(changes: Record<string, string>, keep: (address: string) => void): void {
  const found = new URLSearchParams(state.query)
  for (const [name, value] of Object.entries(changes)) {
    if (value === '') found.delete(name)
    else found.set(name, value)
  }
  if (found.toString() === state.query.toString()) return
  keep(href(state.path, Object.fromEntries(found)))
}

function push(address: string): void {
  leave()
  history.pushState(nextStep(), '', address)
  read()
}

/** Take clicks on links to views; all others are the browser's. */
export function followLinks(event: MouseEvent): void {
  if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return
  const link = (event.target as Element | null)?.closest?.('a')
  if (!link || link.target || link.hasAttribute('download') || link.origin !== location.origin) return
  // A place on this page, such as the content behind the navigation.
  if (link.hash && link.pathname === location.pathname && link.search === location.search) return
  if (link.pathname !== CONTROL && !link.pathname.startsWith(`${CONTROL}/`)) return
  event.preventDefault()
  push(link.href)
  scrollTo(0, 0)
}

/** A part of a path as it was meant; one that somebody typed with a bare percent sign is meant as it stands. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

/** The parts of a path that a pattern names, such as `/incidents/:id`; undefined if it does not fit. */
export function matched(pattern: string, path: string): Record<string, string> | undefined {
  const wanted = pattern.split('/')
  const given = path.split('/')
  if (wanted.length !== given.length) return undefined
  const found: Record<string, string> = {}
  for (const [index, part] of wanted.entries()) {
    const one = given[index] ?? ''
    if (part.startsWith(':')) found[part.slice(1)] = decoded(one)
    else if (part !== one) return undefined
  }
  return found
}
