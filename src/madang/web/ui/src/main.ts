// Starts the control room: who is here, in which language, then the page that the address names.
import { mount } from 'svelte'

import './shell/style.css'
import { begin } from './shell/session.svelte'
import Shell from './shell/Shell.svelte'

const target = document.getElementById('app')
if (target) {
  begin()
    .then(() => mount(Shell, { target }))
    .catch((error: unknown) => {
      const text = document.createElement('p')
      text.className = 'failed'
      text.textContent = `Madang does not answer; reload to try again. 마당이 응답하지 않습니다. 새로 고쳐 주세요. (${String(error)})`
      target.replaceChildren(text)
    })
}
