import { say } from '../shell/toasts.svelte'
import { whyOf } from './trouble'

/** Do something and say that it is done; if the hub refuses, say why and return undefined. */
export async function act<T>(work: () => Promise<T>, done = ''): Promise<T | undefined> {
  try {
    const result = await work()
    if (done) say(done)
    return result
  } catch (error) {
    say(whyOf(error), 'bad')
    return undefined
  }
}
