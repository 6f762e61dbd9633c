// What the hub answers about services, replays, decisions and rules, by the names of its OpenAPI document.
import type { components } from '../generated/openapi'

type Schemas = components['schemas']

export type Words = Schemas['Words']
export type Service = Schemas['Service']
export type ServiceDetail = Schemas['ServiceDetail']
export type Catalogue = Schemas['Catalogue']
export type CatalogueService = Schemas['CatalogueService']
export type Indicator = Schemas['Indicator']
export type Replay = Schemas['Replay']
export type ReplayDetail = Schemas['ReplayDetail']
export type ReplayRun = Schemas['ReplayRun']
export type Decision = Schemas['Decision']
export type Rule = Schemas['Rule']
export type RuleDetail = Schemas['RuleDetail']
export type RuleCheck = Schemas['RuleCheck']
export type RuleTrial = Schemas['RuleTrial']
export type RuleTrialLine = Schemas['RuleTrialLine']

export type ServiceState = Service['state']

/** The colour that repeats what a state says. */
export function stateKind(state: string): 'good' | 'bad' | 'warn' | 'quiet' {
  if (state === 'running') return 'good'
  if (state === 'failed') return 'bad'
  return state === 'retrying' ? 'warn' : 'quiet'
}
