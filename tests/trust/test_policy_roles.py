"""What each role may do by the policies that come with Madang."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from madang.query.reach import NOTHING
from madang.query.tree import And, Condition, HasId, HasType, InScope, Or
from madang.trust import rules
from madang.trust.actions import (
    ENTITY_ACTIONS,
    SYSTEM_ACTIONS,
    TENANT_ACTIONS,
    Action,
    EntityAction,
    SystemAction,
    TenantAction,
)
from madang.trust.book import Book
from madang.trust.principal import LOCAL, PUBLIC, ROLES, Principal, Role
from madang.trust.roles import permissions
from tests.trust.policy_city import opened, someone

BOOK = Book()
OPEN_BOOK = Book(public={"": frozenset({"Bus"})})
EVERYTHING = None
BUS = HasType("Bus")

DEVICE = someone("device", entities=("urn:b", "urn:a"))
CITIZEN = someone("citizen", entities=("urn:me",))
WATER = someone("department", scopes=("/Seoul/Water",))
APP = someone("app", reads=("A", "B"), writes=("B",))
LOCAL_APP = someone("app", reads=("*",), scopes=("/Seoul",))
OWN = HasId(("urn:a", "urn:b"))
IN_WATER = InScope(("Seoul", "Water"), below=True)

READS: list[tuple[Principal, Condition | None]] = [
    (PUBLIC, BUS),
    (CITIZEN, Or((BUS, HasId(("urn:me",))))),
    (someone("operator"), EVERYTHING),
    (someone("analyst"), EVERYTHING),
    (WATER, Or((IN_WATER, BUS))),
    (someone("administrator"), EVERYTHING),
    (DEVICE, Or((BUS, OWN))),
    (APP, Or((HasType("A"), HasType("B"), BUS))),
    (LOCAL_APP, Or((InScope(("Seoul",), below=True), BUS))),
]


@pytest.mark.parametrize(("who", "expected"), READS, ids=lambda x: getattr(x, "id", ""))
@pytest.mark.parametrize("action", ["readEntity", "readHistory"])
def test_a_role_reads_its_part_and_open_data(
    who: Principal, expected: Condition | None, action: EntityAction
) -> None:
    assert OPEN_BOOK.reach(who, action, "").condition == expected


WRITES: list[tuple[Principal, Condition | None]] = [
    (PUBLIC, NOTHING),
    (CITIZEN, NOTHING),
    (someone("operator"), EVERYTHING),
    (someone("analyst"), NOTHING),
    (WATER, IN_WATER),
    (someone("administrator"), EVERYTHING),
    (DEVICE, OWN),
    (APP, HasType("B")),
    (LOCAL_APP, NOTHING),
]


@pytest.mark.parametrize(("who", "expected"), WRITES, ids=lambda x: getattr(x, "id", ""))
@pytest.mark.parametrize("action", ["createEntity", "updateEntity"])
def test_a_role_writes_its_part_and_no_open_data(
    who: Principal, expected: Condition | None, action: EntityAction
) -> None:
    assert OPEN_BOOK.reach(who, action, "").condition == expected


def test_a_device_does_not_delete_its_own_entities() -> None:
    assert BOOK.reach(DEVICE, "deleteEntity", "").is_empty


def test_an_app_with_scopes_reaches_only_its_types_in_them() -> None:
    app = someone("app", reads=("A",), scopes=("/S",))
    expected = And((HasType("A"), InScope(("S",), below=True)))
    assert BOOK.reach(app, "readEntity", "").condition == expected


IN_TENANT: dict[Role, set[TenantAction]] = {
    "public": set(),
    "citizen": {"enter"},
    "operator": {
        "enter",
        "subscribe",
        "manageContexts",
        "command",
        "observe",
        "seeDevices",
        "manageDevices",
        "seeServices",
        "manageServices",
        "seeIncidents",
        "manageIncidents",
        "keepDashboards",
        "manageDashboards",
    },
    "analyst": {
        "enter",
        "subscribe",
        "runSql",
        "seeDevices",
        "seeServices",
        "seeIncidents",
        "keepDashboards",
    },
    "department": {"enter", "subscribe", "seeDevices", "seeServices", "keepDashboards"},
    "administrator": set(TENANT_ACTIONS),
    "device": {"enter", "observe"},
    "app": {"enter", "subscribe"},
}


@pytest.mark.parametrize("role", ROLES)
def test_a_role_does_in_a_tenant_what_it_is_for(role: Role) -> None:
    who = PUBLIC if role == "public" else someone(role)
    assert {name for name in TENANT_ACTIONS if BOOK.allows(who, name, "")} == IN_TENANT[role]


OF_SYSTEM: dict[Role, set[SystemAction]] = {
    "public": {"seePages"},
    "citizen": {"seePages", "useAccount"},
    "operator": {"seePages", "useAccount", "seeSystem"},
    "analyst": {"seePages", "useAccount"},
    "department": {"seePages", "useAccount"},
    "administrator": {"seePages", "useAccount", "seeSystem"},
    "device": {"seePages"},
    "app": {"seePages"},
}


@pytest.mark.parametrize("role", ROLES)
def test_a_role_does_to_the_process_what_it_is_for(role: Role) -> None:
    who = PUBLIC if role == "public" else someone(role)
    assert {name for name in SYSTEM_ACTIONS if BOOK.allows(who, name)} == OF_SYSTEM[role]


def test_only_an_administrator_of_all_tenants_manages_the_process() -> None:
    chief = someone("administrator", ("*",))
    assert all(BOOK.allows(chief, name) for name in SYSTEM_ACTIONS)
    assert not BOOK.allows(someone("administrator", ("", "busan")), "managePeople")


def test_the_public_enters_a_tenant_only_where_something_is_public() -> None:
    assert OPEN_BOOK.allows(PUBLIC, "enter", "")
    assert not OPEN_BOOK.allows(PUBLIC, "enter", "busan")


@pytest.mark.parametrize("role", [role for role in ROLES if role != "public"])
def test_nobody_crosses_into_another_tenant(role: Role) -> None:
    who = someone(role, ("seoul",), scopes=("/S",), reads=("*",), writes=("*",), entities=("u:1",))
    book = Book(public={"busan": frozenset({"*"})})
    assert all(book.reach(who, action, "busan").is_empty for action in ENTITY_ACTIONS)
    assert not any(book.allows(who, action, "busan") for action in TENANT_ACTIONS)


def test_who_belongs_to_every_tenant_reaches_into_each() -> None:
    assert BOOK.reach(LOCAL, "readEntity", "busan").condition is EVERYTHING


def test_a_principal_without_a_role_may_nothing() -> None:
    nobody = Principal("person:x", "person", "x", frozenset())
    assert all(BOOK.reach(nobody, action, "").is_empty for action in ENTITY_ACTIONS)


def test_a_whole_tenant_can_be_public() -> None:
    book = Book(public={"": frozenset({"*"})})
    assert book.reach(PUBLIC, "readEntity", "").condition is EVERYTHING
    assert book.reach(PUBLIC, "readEntity", "").hidden, "personal attributes stay hidden"


# --- personal data -----------------------------------------------------------------------------


def hidden(
    who: Principal, purpose: str = "", action: EntityAction = "readEntity"
) -> dict[str, str | None]:
    """Return the hidden attributes of a Person, with what consent would open them by."""
    found = BOOK.reach(who, action, "", purpose).hidden
    return {one.attribute: one.subject for one in found if "Person" in one.types}


def test_personal_attributes_are_hidden_until_the_person_consents() -> None:
    assert hidden(someone("operator"))["telephone"] == ""
    assert hidden(someone("operator"))["https://smartdatamodels.org/email"] == ""


def test_consent_opens_nothing_to_who_has_not_signed_in() -> None:
    book = Book(public={"": frozenset({"Person"})})
    found = book.reach(PUBLIC, "readEntity", "", "research").hidden
    assert {one.subject for one in found} == {None}


def test_an_operator_sees_personal_attributes_in_an_emergency() -> None:
    operator = someone("operator")
    assert hidden(operator, "emergency") == {}
    reach = BOOK.reach(operator, "readEntity", "", "emergency")
    assert "telephone" in {one.attribute for one in reach.personal}, "so that it is recorded"
    assert hidden(someone("analyst"), "emergency")


def test_an_administrator_needs_a_purpose_to_see_personal_attributes() -> None:
    assert hidden(someone("administrator"))
    assert hidden(someone("administrator"), "administration") == {}


def test_personal_attributes_are_not_written_by_consent() -> None:
    assert hidden(someone("operator"), "", "updateEntity")["telephone"] is None
    assert hidden(someone("administrator"), "administration", "createEntity") == {}


def test_the_person_of_a_mark_is_whom_its_relationship_names() -> None:
    found = BOOK.reach(someone("operator"), "readEntity", "").hidden
    subjects = {one.attribute: one.subject for one in found if "UserContext" in one.types}
    assert subjects["location"] == "refUser"
    model = "https://smartdatamodels.org/dataModel.User/"
    assert subjects[f"{model}refUserDevice"] == f"{model}refUser"


def test_a_deletion_hides_nothing_for_the_entity_goes_as_a_whole() -> None:
    assert BOOK.reach(someone("operator"), "deleteEntity", "").is_whole


# --- the files ---------------------------------------------------------------------------------


def test_the_schema_has_exactly_the_actions_of_the_code() -> None:
    lists = re.findall(r"^\s*action ([\w, \n]+?) appliesTo", rules.schema_text(), re.MULTILINE)
    named = [name.strip() for names in lists for name in names.split(",")]
    known = [name for kind in get_args(Action) for name in get_args(kind)]
    assert sorted(named) == sorted(known)


def test_every_shipped_policy_has_an_id_and_says_in_words_what_it_does() -> None:
    for rule in rules.shipped():
        assert "@id(" in rule.text, rule.id
        assert rule.text.startswith("// "), rule.id


def test_every_role_has_a_file_of_its_own() -> None:
    others = {"everybody", "care-plug", "watch-over"}
    assert rules.shipped_names() == {*ROLES, *others} - {"public"}


def test_the_documentation_has_every_role_and_action() -> None:
    page = (Path(__file__).parents[2] / "docs" / "explanation" / "trust.md").read_text("utf-8")
    actions = [name for kind in get_args(Action) for name in get_args(kind)]
    assert not [name for name in actions if f"`{name}`" not in page]
    assert not [role for role in ROLES if f"\n| {role} |" not in page]


async def test_what_each_role_may_do_is_told_in_a_word(tmp_path: Path) -> None:
    async with opened(tmp_path) as policies:
        found = permissions(policies)
    assert set(found) == set(ROLES)
    reading = {role: may["readEntity"] for role, may in found.items()}
    assert reading == {
        "public": "deny", "citizen": "some", "operator": "allow", "analyst": "allow",
        "department": "some", "administrator": "allow", "device": "some", "app": "some",
    }  # fmt: skip
    managing = [role for role, may in found.items() if may["managePeople"] == "allow"]
    assert managing == ["administrator"]
    assert set(found["operator"]) == {*ENTITY_ACTIONS, *TENANT_ACTIONS, *SYSTEM_ACTIONS}


async def test_a_policy_of_the_citys_own_changes_what_a_role_may_do(tmp_path: Path) -> None:
    text = (
        'forbid (principal in Madang::Role::"analyst", action == Madang::Action::"runSql",'
        " resource);"
    )
    async with opened(tmp_path) as policies:
        assert permissions(policies)["analyst"]["runSql"] == "allow"
        await policies.add("no-sql", text, LOCAL)
        assert permissions(policies)["analyst"]["runSql"] == "deny"
