// Who is here and what they may do; the language, the colours, whether the hub is reached.
import { ROOT } from './place'
import { speak, type Language } from './texts.svelte'

export interface Session {
  name: string
  id: string
  roles: string[]
  tenants: string[]
  /** Sign-in is switched off. */
  open: boolean
  signedIn: boolean
  /** Actions of the whole process and of the default tenant: `may.manageIncidents`. */
  may: Record<string, boolean>
  language: Language
  /** What forms must bring back. */
  token: string
  version: string
}

const NOBODY: Session = {
  name: '', id: 'public', roles: [], tenants: [], open: false, signedIn: false, may: {},
  language: 'en', token: '', version: '',
}

export const session: Session = $state({ ...NOBODY })

export async function begin(): Promise<void> {
  const answer = await fetch(`${ROOT}/ui/session`, { credentials: 'same-origin' })
  if (!answer.ok) throw new Error(String(answer.status))
  Object.assign(session, await answer.json())
  await speak(session.language)
  paint(theme())
}

export async function chooseLanguage(language: Language): Promise<void> {
  await fetch(`${ROOT}/language`, {
    method: 'POST',
    body: new URLSearchParams({ token: session.token, language, next: '/health' }),
  })
  session.language = language
  await speak(language)
}

export async function signOut(): Promise<void> {
  await fetch(`${ROOT}/sign-out`, { method: 'POST', body: new URLSearchParams({ token: session.token }) })
  location.assign(`${ROOT}/`)
}

export type Theme = 'system' | 'light' | 'dark'
const state = $state({ dark: false })

export function theme(): Theme {
  const kept = localStorage.getItem('madang.theme')
  return kept === 'light' || kept === 'dark' ? kept : 'system'
}

/** Whether the page is dark at present; maps and charts follow it. */
export function dark(): boolean {
  return state.dark
}

const SYSTEM = matchMedia('(prefers-color-scheme: dark)')
SYSTEM.addEventListener('change', () => paint(theme()))

export function paint(theme: Theme): void {
  if (theme === 'system') localStorage.removeItem('madang.theme')
  else localStorage.setItem('madang.theme', theme)
  state.dark = theme === 'system' ? SYSTEM.matches : theme === 'dark'
  document.documentElement.style.colorScheme = theme === 'system' ? '' : theme
}

/** `online` as the browser says; the live stream adds what it finds. */
export const network = $state({ online: navigator.onLine })
addEventListener('online', () => (network.online = true))
addEventListener('offline', () => (network.online = false))
