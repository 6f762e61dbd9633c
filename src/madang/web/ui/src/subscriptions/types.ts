// Subscriptions as the hub gives them (ETSI GS CIM 009 clause 5.2.12), and what waits for one.

interface Selector {
  type: string
  id?: string
  idPattern?: string
}

interface Pair {
  key: string
  value: string
}

interface Endpoint {
  uri: string
  accept?: string
  receiverInfo?: Pair[]
  notifierInfo?: Pair[]
  /** [ms] */
  timeout?: number
  /** [ms] */
  cooldown?: number
}

interface Notified {
  endpoint: Endpoint
  attributes?: string[]
  pick?: string[]
  omit?: string[]
  format?: string
  sysAttrs?: boolean
  showChanges?: boolean
  join?: string
  joinLevel?: number
  /** Of the last attempt; before the first one there is none, nor any of those below. */
  status?: 'ok' | 'failed'
  /** Attempts, those that failed as well. */
  timesSent?: number
  timesFailed?: number
  lastSuccess?: string
  lastFailure?: string
}

export interface Subscription {
  id: string
  subscriptionName?: string
  description?: string
  entities?: Selector[]
  watchedAttributes?: string[]
  notificationTrigger: string[]
  q?: string
  geoQ?: { georel: string; geometry: string; coordinates: unknown; geoproperty?: string }
  scopeQ?: string
  csf?: string
  datasetId?: string[]
  lang?: string
  /** [s] */
  throttling?: number
  /** [s] */
  timeInterval?: number
  expiresAt?: string
  isActive?: boolean
  splitEntities?: boolean
  jsonldContext?: string
  notification: Notified
  status: 'active' | 'paused' | 'expired'
  /** Why the hub itself has paused it. */
  statusReason?: string
  createdAt?: string
  modifiedAt?: string
}

/** A notification that its endpoint has not taken. */
export interface Undelivered {
  key: number
  changedAt: string
  attempts: number
  error?: string
  notification: unknown
}

/** `GET /subscriptions/{id}/undelivered`. */
export interface Fares {
  endpoint: {
    /** Open: nothing is sent before `nextAttempt`; half-open: an attempt is under way after failures. */
    state: 'closed' | 'half-open' | 'open'
    waiting: number
    /** Attempts in a row that failed. */
    failures?: number
    error?: string
    /** Unknown to a hub that leaves the sending to another. */
    nextAttempt?: string
    /** Notifications that the endpoint does not want, put aside. */
    refused?: number
  }
  notifications: Undelivered[]
}
