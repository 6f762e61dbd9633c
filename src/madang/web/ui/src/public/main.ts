// What scripts add to the pages for everybody: the map that moves, and a wall that stays awake.
import { keepAwake } from '../dashboards/wall'

const button = document.querySelector<HTMLButtonElement>('#interactive')
const picture = document.querySelector<HTMLElement>('#picture')
if (button && picture) {
  button.hidden = false
  button.addEventListener('click', async () => {
    button.disabled = true
    try {
      // The map is a large piece of code, so it comes when it is asked for.
      const { show } = await import('./moving-map')
      await show(picture, button.dataset)
      button.hidden = true
    } catch (error) {
      const said = document.querySelector('#map-said')
      if (said) said.textContent = button.dataset.failed ?? String(error)
      button.disabled = false
    }
  })
}

if (document.querySelector('[data-wall]')) keepAwake()
