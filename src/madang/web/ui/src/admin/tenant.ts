import { tenant } from '../api/client'

/** Ask about another tenant than the one that is looked at; requests take the name when they begin. */
export function inTenant<T>(name: string, ask: () => Promise<T>): Promise<T> {
  const before = tenant.name
  tenant.name = name
  try {
    return ask()
  } finally {
    tenant.name = before
  }
}
