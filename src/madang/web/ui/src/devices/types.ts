// What the hub answers about devices, feeds and nodes, by the names of its OpenAPI document.
import type { components } from '../generated/openapi'

type Schemas = components['schemas']

export type Device = Schemas['Device']
export type DeviceDetail = Schemas['DeviceDetail']
export type Profile = Schemas['Profile']
export type ProfileDetail = Schemas['ProfileDetail']
export type Imported = Schemas['Imported']
export type Letter = Schemas['Letter']
export type Letters = Schemas['Letters']
export type Feed = Schemas['Feed']
export type FeedDetail = Schemas['FeedDetail']
export type FeedProgress = Schemas['FeedProgress']
export type FeedTrial = Schemas['FeedTrial']
export type FeedLine = Schemas['FeedLine']
export type Edge = Schemas['Edge']
export type EdgeStatus = Schemas['EdgeStatus']
export type QualityRecord = Schemas['QualityRecord']
