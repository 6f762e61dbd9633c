import { Problem } from '../api/client'
import { say } from '../shell/toasts.svelte'

/** Do something and say that it is done; if the hub refuses, say why and return undefined. */
export async function act<T>(work: () => Promise<T>, done = ''): Promise<T | undefined> {
  try {
    const result = await work()
    if (done) say(done)
    return result
  } catch (error) {
    say(error instanceof Problem ? error.detail || error.title : String(error), 'bad')
    return undefined
  }
}
