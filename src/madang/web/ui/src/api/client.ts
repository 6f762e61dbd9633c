// The one way to the hub. Errors carry the hub's own words, which say what is wrong.
import { ROOT } from '../shell/place'

/** What the hub answers when it cannot do something (RFC 9457). */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
    /** What kind it is: the end of its type, such as `AlreadyExists`. */
    readonly kind = '',
  ) {
    super(detail || title)
  }
}

/** An answer together with how many there are in all, if the hub says so. */
export interface Counted<T> {
  body: T
  count: number | undefined
}

export type Parameters = Record<string, string | number | boolean | undefined>

/** The path with its parameters; those that are undefined or empty are left out. */
export function address(path: string, parameters: Parameters = {}): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined && value !== '') query.set(name, String(value))
  }
  const text = query.toString()
  return ROOT + path + (text ? `?${text}` : '')
}

/** Which tenant is looked at; the empty one is the default. */
export const tenant = { name: '' }

async function ask(method: string, url: string, body?: unknown, signal?: AbortSignal, accept = 'application/json'): Promise<Response> {
  const headers: Record<string, string> = { Accept: accept }
  if (tenant.name) headers['NGSILD-Tenant'] = tenant.name
  // A file or a text of another kind says itself what it is.
  const isBlob = body instanceof Blob
  if (body !== undefined) headers['Content-Type'] = isBlob ? body.type : 'application/json'
  let answer: Response
  try {
    answer = await fetch(url, {
      method,
      headers,
      body: body === undefined || isBlob ? body : JSON.stringify(body),
      signal,
      credentials: 'same-origin',
    })
  } catch (error) {
    if (signal?.aborted) throw error
    throw new Problem(0, '', '')
  }
  if (!answer.ok) throw await problemOf(answer)
  return answer
}

/** What the hub tells about a problem, as an answer or over a socket. */
export interface Told {
  type?: string
  title?: string
  status?: number
  detail?: string
}

export function problemIn(told: Told, status = told.status ?? 0): Problem {
  return new Problem(status, told.title ?? '', told.detail ?? '', told.type?.split('/').at(-1))
}

async function problemOf(answer: Response): Promise<Problem> {
  try {
    return problemIn((await answer.json()) as Told, answer.status)
  } catch {
    return new Problem(answer.status, answer.statusText, '')
  }
}

async function read<T>(answer: Response): Promise<T> {
  const text = await answer.text()
  return (text ? JSON.parse(text) : undefined) as T
}

/** Return what is at a path; `signal` calls it off. */
export async function get<T>(path: string, parameters?: Parameters, signal?: AbortSignal): Promise<T> {
  return read<T>(await ask('GET', address(path, parameters), undefined, signal))
}

/** Return a page of what is at a path, with the count of all (`NGSILD-Results-Count`). */
export async function page<T>(path: string, parameters?: Parameters, signal?: AbortSignal): Promise<Counted<T>> {
  const answer = await ask('GET', address(path, parameters), undefined, signal)
  const count = answer.headers.get('NGSILD-Results-Count')
  return { body: await read<T>(answer), count: count === null ? undefined : Number(count) }
}

/** Change something: POST, PUT, PATCH or DELETE with a JSON body. */
export async function send<T = void>(
  method: 'POST' | 'PUT' | 'PATCH' | 'DELETE',
  path: string,
  body?: unknown,
  parameters?: Parameters,
): Promise<T> {
  return read<T>(await ask(method, address(path, parameters), body))
}

/** Return what is at a path that answers with plain text. */
export async function text(path: string, parameters?: Parameters, signal?: AbortSignal): Promise<string> {
  return (await ask('GET', address(path, parameters), undefined, signal)).text()
}

/** Ask for something in a form of its own (`accept`), such as a file; the answer comes whole, with its headers. */
export async function answer(
  method: 'GET' | 'POST',
  path: string,
  { body, parameters, accept, signal }: { body?: unknown; parameters?: Parameters; accept?: string; signal?: AbortSignal },
): Promise<Response> {
  return ask(method, address(path, parameters), body, signal, accept)
}

/** Ask for a long work, whose answer is lines of JSON; each is passed on as it comes. */
export async function lines<T>(
  path: string,
  body: unknown,
  each: (line: T) => void,
  signal?: AbortSignal,
  method: 'POST' | 'GET' = 'POST',
): Promise<void> {
  const answer = await ask(method, address(path), body, signal)
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  for (;;) {
    const part = await reader?.read()
    if (!part || part.done) break
    const whole = (rest + part.value).split('\n')
    rest = whole.pop() ?? ''
    for (const line of whole) if (line) each(JSON.parse(line) as T)
  }
  if (rest) each(JSON.parse(rest) as T)
}
