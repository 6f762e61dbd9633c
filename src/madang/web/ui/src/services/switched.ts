// A rule is switched by its own field `on`; all else of it stays.
import { get, send } from '../api/client'
import type { RuleDetail } from './types'

export async function switchRule(name: string, on: boolean): Promise<void> {
  const { rule } = await get<RuleDetail>(`/rules/${name}`)
  const { on: _before, ...rest } = rule
  await send('PUT', '/rules', { [name]: on ? rest : { ...rest, on: false } })
}
