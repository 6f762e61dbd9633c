// The actions that policies speak of, in the groups of trust/actions.py.

export const ENTITY_ACTIONS = ['readEntity', 'createEntity', 'updateEntity', 'deleteEntity', 'readHistory']
export const ATTRIBUTE_ACTIONS = ['readAttribute', 'writeAttribute']
export const ACTIONS: [string, string[]][] = [
  ['entities', ENTITY_ACTIONS],
  ['attributes', ATTRIBUTE_ACTIONS],
  [
    'tenant',
    [
      'enter', 'subscribe', 'seeSubscriptions', 'manageContexts', 'runSql', 'changeHistory', 'command', 'observe', 'seeDevices',
      'manageDevices', 'seeServices', 'manageServices', 'seeIncidents', 'manageIncidents', 'keepDashboards', 'manageDashboards',
    ],
  ],
  ['system', ['seePages', 'useAccount', 'seeSystem', 'managePeople', 'managePolicies', 'readAudit', 'managePersonalData']],
]
