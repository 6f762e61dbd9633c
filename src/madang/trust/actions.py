"""The actions that policies speak of. Each is ``Madang::Action::"<name>"`` in Cedar."""

from __future__ import annotations

from typing import Literal, get_args

EntityAction = Literal["readEntity", "createEntity", "updateEntity", "deleteEntity", "readHistory"]
"""What can be done to entities: the policies are compiled to a reach in the entities."""

AttributeAction = Literal["readAttribute", "writeAttribute"]
"""What can be done to an attribute that a data model marks; others go with their entity."""

TenantAction = Literal[
    "enter",  # use the tenant at all: @contexts, who answers here
    "subscribe",  # keep subscriptions of one's own
    "seeSubscriptions",  # and those of others
    "manageContexts",  # store and delete @contexts
    "runSql",  # analysts' SQL over history
    "changeHistory",  # write, correct and delete what has been
    "command",  # tell devices to do something
    "observe",  # send what devices measure; which entities, their own policies say
    "seeDevices",  # registry, profiles, feeds, dead letters
    "manageDevices",  # change these
    "seeServices",  # city services, their options, how they go
    "manageServices",  # switch and set these
    "seeIncidents",  # incidents with all that was done, playbooks, who is on call
    "manageIncidents",  # deal with incidents; contacts, rotas, playbooks
    "keepDashboards",  # make dashboards of one's own
    "manageDashboards",  # change those of others and the page of the city; publish
]
"""What can be done in a tenant, whichever its entities."""

SystemAction = Literal[
    "seePages",  # start page, documentation, sign-in, health: what anybody may see
    "useAccount",  # one's own account, keys, consents, reads
    "seeSystem",  # figures and status of the process
    "managePeople",  # accounts, roles, keys, tokens of others
    "managePolicies",  # policies, marks of personal data, what is public
    "readAudit",  # the audit log
    "managePersonalData",  # export and erasure of any person's data
]
"""What can be done to the process as a whole."""

Action = EntityAction | AttributeAction | TenantAction | SystemAction

ENTITY_ACTIONS: tuple[EntityAction, ...] = get_args(EntityAction)
TENANT_ACTIONS: tuple[TenantAction, ...] = get_args(TenantAction)
SYSTEM_ACTIONS: tuple[SystemAction, ...] = get_args(SystemAction)
