import type { ExpressionSpecification } from 'maplibre-gl'

/** A colour by the theme of the page, which changes without loading the style again. */
export function tone(light: string, dark: string): ExpressionSpecification {
  return ['case', ['==', ['global-state', 'theme'], 'dark'], dark, light]
}
