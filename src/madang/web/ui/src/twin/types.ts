// What the hub answers about trials of policies, by the names of its OpenAPI document.
import type { components } from '../generated/openapi'

type Schemas = components['schemas']

export type Twin = Schemas['Twin']
export type Branch = Schemas['Branch']
export type Trial = Schemas['Trial']
export type TrialDetail = Schemas['TrialDetail']
export type TrialResult = Schemas['TrialResult']
export type TrialIndicator = Schemas['TrialIndicator']
export type TrialDecision = Schemas['TrialDecision']
export type PolicyRead = Schemas['PolicyRead']

/** A figure of a street as it is and under a policy. */
export interface StreetFigure {
  now: number
  then: number
  difference: number
  /** The difference is no chance: zero is outside its 95 % confidence interval. */
  clear: boolean
}

/** Figures by which streets can be coloured. */
export const FIGURES = ['delay', 'flow', 'speed', 'co2', 'noise'] as const
export type Figure = (typeof FIGURES)[number]

export type StreetProperties = { edge: string; name: string; 'name:en': string } & Record<Figure, StreetFigure>
export type Streets = GeoJSON.FeatureCollection<GeoJSON.LineString, StreetProperties>
