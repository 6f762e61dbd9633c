"""An explanation says what is decided, by which policies, and what would change it."""

from __future__ import annotations

import pytest

from madang.model.entity import Entity
from madang.model.errors import BadRequestData
from madang.trust.actions import Action
from madang.trust.book import Book, compiled
from madang.trust.explain import Explanation, explain
from madang.trust.principal import PUBLIC, Principal
from madang.trust.rules import read
from tests.trust.policy_city import someone

BOOK = Book()
PUMP = Entity({"id": "urn:pump:1", "type": "Pump", "scope": "/Seoul/Water"}, 0, 0, 0)
WATER = someone("department", scopes=("/Seoul/Water",))


def asked(
    who: Principal,
    action: Action,
    what: Entity | str = "",
    tenant: str = "",
    purpose: str = "",
    book: Book = BOOK,
) -> Explanation:
    return explain(book, who, action, what, tenant, purpose)


def ids(found: Explanation) -> list[str]:
    return [rule.id for rule in found.policies]


def test_an_explanation_of_what_is_allowed_names_the_policies_that_allow_it() -> None:
    found = asked(WATER, "updateEntity", PUMP)
    assert found.decision == "allow"
    assert ids(found) == ["department/work-in-own-scopes"]
    assert found.policies[0].text.startswith("// A department reads and writes")
    assert found.sentence == "department may do updateEntity on urn:pump:1"
    assert found.hint == ""


def test_an_explanation_of_a_denial_says_what_would_allow_it() -> None:
    found = asked(someone("department", scopes=("/Busan",)), "updateEntity", PUMP)
    assert (found.decision, ids(found)) == ("deny", [])
    assert found.hint == "it would be allowed by the role operator or administrator"


def test_a_type_is_answered_by_the_part_of_it_that_is_in_reach() -> None:
    found = asked(WATER, "readEntity", "Pump")
    assert found.decision == "some"
    assert found.sentence.endswith(": those in /Seoul/Water or below")
    assert ids(found) == ["department/work-in-own-scopes"]
    assert "`madang policy public add`" in found.hint
    assert asked(someone("app", reads=("Pump",)), "readEntity", "Pump").decision == "allow"
    assert asked(someone("app", reads=("Pump",)), "readEntity", "Bench").decision == "deny"


def test_open_data_is_explained_by_the_policy_that_opens_it() -> None:
    book = Book(public={"": frozenset({"Pump"})})
    for what in ("Pump", PUMP):
        found = asked(PUBLIC, "readEntity", what, book=book)
        assert (found.decision, ids(found)) == ("allow", ["everybody/read-public-data"])


def test_crossing_into_another_tenant_is_explained_by_what_forbids_it() -> None:
    found = asked(someone("operator", ("seoul",)), "readEntity", "Pump", "busan")
    assert (found.decision, ids(found)) == ("deny", ["everybody/own-tenants-only"])
    assert found.hint == (
        "everybody/own-tenants-only forbids it; "
        "it would be allowed by membership in the tenant 'busan'"
    )
    assert ids(asked(someone("operator", ("seoul",)), "command", tenant="busan")) == ids(found)


def test_a_policy_of_the_city_that_forbids_is_named() -> None:
    text = 'forbid (principal, action == Madang::Action::"command", resource);'
    book = Book([compiled(rule) for rule in read("quiet", text)])
    found = asked(someone("operator"), "command", book=book)
    assert ids(found) == ["quiet/1"]
    assert found.hint == "quiet/1 forbids it; only a change of that policy would allow it"


def test_what_nobody_is_permitted_can_be_by_a_policy_of_the_city() -> None:
    found = asked(someone("administrator", ("seoul",)), "managePeople")
    assert found.hint == (
        "no policy permits it; a policy of the city's own can: `madang policy add FILE`"
    )


def test_a_personal_attribute_is_explained_with_purposes_and_consent() -> None:
    found = asked(someone("operator"), "readAttribute", "Person.telephone")
    assert found.decision == "deny"
    assert "the purpose emergency; or by the consent of the person" in found.hint
    found = asked(someone("operator"), "readAttribute", "telephone", purpose="emergency")
    assert (found.decision, ids(found)) == ("allow", ["operator/read-personal-in-emergency"])
    assert "for the purpose 'emergency'" in found.sentence


def test_an_attribute_without_a_mark_is_no_question_for_the_policies() -> None:
    with pytest.raises(BadRequestData, match="ask about readEntity"):
        asked(someone("operator"), "readAttribute", "temperature")


def test_an_action_on_an_entity_needs_to_know_which() -> None:
    with pytest.raises(BadRequestData, match="name its id or its type"):
        asked(someone("operator"), "readEntity")


@pytest.mark.parametrize("action", ["enter", "runSql", "seePages", "managePeople", "useAccount"])
def test_actions_on_tenant_and_process_need_nothing_named(action: Action) -> None:
    assert asked(someone("administrator", ("*",)), action).decision == "allow"
