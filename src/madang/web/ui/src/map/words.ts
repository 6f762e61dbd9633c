// What types and attributes are called; those that nobody has named are shown as they are written.
import { word } from '../shell/texts.svelte'
import { shortName } from './kinds'

export function kindName(type: string): string {
  return word('kinds', shortName(type))
}

export function quantityName(attribute: string): string {
  return word('quantities', shortName(attribute))
}
