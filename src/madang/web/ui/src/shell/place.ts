/** Path below which the hub is reached, such as `/madang`; empty at the root of a host. */
export const ROOT: string = import.meta.env.DEV
  ? ''
  : new URL(import.meta.url).pathname.replace(/\/ui\/assets\/[^/]*$/, '')

/** The path of a page of the control room, for links. */
export const CONTROL = `${ROOT}/control`
