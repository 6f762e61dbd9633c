// Short words about what has just been done; screen readers say them.
export interface Toast {
  id: number
  text: string
  kind: 'good' | 'bad'
}

export const toasts: Toast[] = $state([])
let last = 0

/** Say that something is done, or with `bad` why it is not. */
export function say(text: string, kind: Toast['kind'] = 'good'): void {
  const id = ++last
  toasts.push({ id, text, kind })
  setTimeout(() => toasts.splice(toasts.findIndex((toast) => toast.id === id), 1), kind === 'bad' ? 10_000 : 5_000)
}
