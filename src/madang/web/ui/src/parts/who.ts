// Who did something, as people say it.
import { t } from '../shell/texts.svelte'

/** The name of who has an id; `names` are those that the hub has told. */
export function whoIs(id: string, names: Record<string, string> = {}): string {
  if (id === 'service:local') return t('admin.this_machine')
  if (id === 'service:open') return t('admin.open')
  return names[id] ?? id.replace(/^service:/, `${t('commands.service')} `)
}
