"""The city's own policies: in force at once, kept over restarts, cached, bounded and recorded."""

from __future__ import annotations

from pathlib import Path

import pytest

from madang.model.errors import BadRequestData, ResourceNotFound
from madang.query.tree import And, HasType, InScope, Not, Or
from madang.store.engine import SqliteEngine
from madang.trust import policy, rules
from madang.trust.marks import Mark, mark_of
from madang.trust.policy import Policies
from madang.trust.principal import PUBLIC
from madang.trust.records import Records
from madang.trust.rules import BadPolicy
from tests.trust.policy_city import Recorder, opened, someone

CITIZEN = someone("citizen")
MORE = """
// Citizens see benches, but for those in the palace.
@id("benches")
permit (
  principal in Madang::Role::"citizen",
  action == Madang::Action::"readEntity",
  resource
)
when { resource.types.contains("Bench") }
unless { resource.within.contains("/Seoul/Palace") };
"""
BENCHES = And((HasType("Bench"), Not(InScope(("Seoul", "Palace"), below=True))))
NO_ENTITY = 'forbid (principal, action == Madang::Action::"readEntity", resource);'


async def test_a_policy_of_the_city_is_in_force_at_once_and_after_a_restart(tmp_path: Path) -> None:
    async with opened(tmp_path) as policies:
        assert policies.reach(CITIZEN, "readEntity", "").is_empty
        await policies.add("benches", MORE)
        assert policies.reach(CITIZEN, "readEntity", "").condition == BENCHES
    async with opened(tmp_path) as policies:
        assert policies.own == {"benches": MORE}
        assert policies.reach(CITIZEN, "readEntity", "").condition == BENCHES
        await policies.remove("benches")
        assert policies.reach(CITIZEN, "readEntity", "").is_empty
    async with opened(tmp_path) as policies:
        assert policies.own == {}


async def test_a_policy_takes_the_place_of_the_one_of_its_name(tmp_path: Path) -> None:
    async with opened(tmp_path) as policies:
        await policies.add("benches", MORE)
        await policies.add("benches", NO_ENTITY)
        assert policies.reach(someone("operator"), "readEntity", "").is_empty


async def test_what_is_forbidden_stays_so_whatever_permits_it(tmp_path: Path) -> None:
    async with opened(tmp_path) as policies:
        await policies.publish("", "Bench")
        await policies.add(
            "no-palace", 'forbid (principal, action, resource is Madang::Entity)'
            ' when { resource.within.contains("/Palace") };',
        )  # fmt: skip
        expected = And((HasType("Bench"), Not(InScope(("Palace",), below=True))))
        assert policies.reach(PUBLIC, "readEntity", "").condition == expected
        everywhere = policies.reach(someone("administrator"), "deleteEntity", "").condition
        assert everywhere == Not(InScope(("Palace",), below=True))


async def test_a_policy_that_is_refused_changes_nothing(tmp_path: Path) -> None:
    recorder = Recorder()
    async with opened(tmp_path, recorder) as policies:
        revision = policies.revision
        with pytest.raises(BadPolicy, match="policy bad, line 1"):
            await policies.add("bad", "permit (principal);")
        with pytest.raises(BadPolicy, match="comes with Madang"):
            await policies.add("operator", MORE)
        with pytest.raises(ResourceNotFound, match="comes with Madang and stays"):
            await policies.remove("operator")
        with pytest.raises(ResourceNotFound, match="no policy 'x' of your own"):
            await policies.remove("x")
        assert (policies.revision, policies.own, recorder.events) == (revision, {}, [])


async def test_public_data_is_per_tenant_and_can_be_taken_back(tmp_path: Path) -> None:
    async with opened(tmp_path) as policies:
        await policies.publish("", "Bus")
        await policies.publish("", "Bench")
        await policies.publish("busan", None)
    async with opened(tmp_path) as policies:
        types = Or((HasType("Bench"), HasType("Bus")))
        assert policies.reach(PUBLIC, "readEntity", "").condition == types
        assert policies.reach(PUBLIC, "readEntity", "busan").condition is None
        assert policies.allows(PUBLIC, "enter", "busan")
        await policies.unpublish("busan", None)
        await policies.unpublish("", "Bus")
        assert policies.reach(PUBLIC, "readEntity", "").condition == HasType("Bench")
        assert policies.reach(PUBLIC, "readEntity", "busan").is_empty
        assert not policies.allows(PUBLIC, "enter", "busan")
        with pytest.raises(ResourceNotFound, match="type 'Bus' is not public in the default"):
            await policies.unpublish("", "Bus")
        with pytest.raises(BadRequestData, match="type must be"):
            await policies.publish("", "no type")


async def test_a_mark_hides_an_attribute_until_it_is_removed(tmp_path: Path) -> None:
    operator, analyst = someone("operator"), someone("analyst")
    mark = Mark("plate", ("Car",), subject="keeper")
    inner = Mark("battery", ("Car",), "internal")

    def hidden(who: str) -> set[tuple[str, str | None]]:
        reach = policies.reach(operator if who == "operator" else CITIZEN, "readEntity", "")
        return {(one.attribute, one.subject) for one in reach.hidden if "Car" in one.types}

    async with opened(tmp_path) as policies:
        await policies.publish("", "Car")
        await policies.mark(mark)
        await policies.mark(inner)
    async with opened(tmp_path) as policies:
        assert hidden("operator") == {("plate", "keeper")}
        assert hidden("citizen") == {("plate", "keeper"), ("battery", None)}
        personal = policies.reach(operator, "readEntity", "", "emergency").personal
        assert ("plate", "keeper") in {(one.attribute, one.subject) for one in personal}
        assert not policies.reach(analyst, "readEntity", "", "x").personal
        await policies.unmark("plate", ("Car",))
        assert hidden("operator") == set()
        with pytest.raises(ResourceNotFound, match="you have not marked 'telephone'"):
            await policies.unmark("telephone", ("Person",))


async def test_an_attribute_policy_may_look_at_names_and_at_who_asks(tmp_path: Path) -> None:
    nurse = someone("department", scopes=("/Care",))
    async with opened(tmp_path) as policies:
        await policies.add(
            "care",
            """permit (principal, action == Madang::Action::"readAttribute", resource)
            when { resource.name == "telephone" && principal.scopes.contains("/Care") };""",
        )
        for who, expected in ((nurse, False), (someone("department", scopes=("/S",)), True)):
            names = {one.attribute for one in policies.reach(who, "readEntity", "").hidden}
            assert ("telephone" in names) == expected
            assert "email" in names


async def test_every_change_is_told_and_recorded(tmp_path: Path) -> None:
    recorder = Recorder()
    admin = someone("administrator", ("*",))
    async with opened(tmp_path, recorder) as policies:
        revisions: list[int] = []
        policies.on_change.append(lambda: revisions.append(policies.revision))
        await policies.add("benches", MORE, admin, "10.0.0.1")
        await policies.mark(Mark("plate", ("Car",)), admin)
        await policies.publish("busan", "Bus", admin)
        await policies.unpublish("busan", "Bus", admin)
        await policies.unmark("plate", ("Car",), admin)
        await policies.remove("benches", admin)
    assert revisions == list(range(revisions[0], revisions[0] + 6))
    told = [(event.action, event.tenant) for event in recorder.events]
    assert told == [
        ("policyAdded", ""),
        ("markAdded", ""),
        ("published", "busan"),
        ("unpublished", "busan"),
        ("markRemoved", ""),
        ("policyRemoved", ""),
    ]
    assert {(event.kind, event.actor) for event in recorder.events} == {("policy", admin.id)}
    assert recorder.events[0].address == "10.0.0.1"
    assert recorder.events[0].detail == {"text": MORE}


async def test_decisions_are_remembered_and_their_number_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy, "MOST_CACHED", 3)
    async with opened(tmp_path) as policies:
        first = policies.reach(CITIZEN, "readEntity", "")
        assert policies.reach(CITIZEN, "readEntity", "") is first
        for number in range(3):
            policies.reach(CITIZEN, "readEntity", "", f"purpose {number}")
        assert policies.reach(CITIZEN, "readEntity", "") is not first


async def test_devices_share_one_judgement_of_attributes(tmp_path: Path) -> None:
    async with opened(tmp_path) as policies:
        one = policies.reach(someone("device", entities=("urn:1",)), "readEntity", "")
        other = policies.reach(someone("device", entities=("urn:2",)), "readEntity", "")
        assert one.hidden is other.hidden
        assert one.condition != other.condition
        made_up = policies.reach(someone("device", entities=("urn:1",)), "readEntity", "", "x")
        assert made_up.hidden is one.hidden


async def test_there_is_a_most_of_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "MOST_FILES", 1)
    monkeypatch.setattr(policy, "MOST_MARKS", 1)
    monkeypatch.setattr(policy, "MOST_PUBLIC", 1)
    async with opened(tmp_path) as policies:
        for _ in range(2):  # again in its own place is fine
            await policies.add("benches", MORE)
            await policies.mark(Mark("plate", ("Car",)))
        await policies.publish("", "Bus")
        with pytest.raises(BadPolicy, match="the most"):
            await policies.add("more", MORE)
        with pytest.raises(BadRequestData, match="the most"):
            await policies.mark(Mark("colour", ("Car",)))
        with pytest.raises(BadRequestData, match="the most"):
            await policies.publish("", "Bench")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "types must be an array"),
        ({"attribute": "a", "types": []}, "types must be an array of 1 to 50"),
        ({"attribute": "a", "types": ["T"] * 51}, "types must be an array of 1 to 50"),
        ({"attribute": "a b", "types": ["T"]}, "attribute must be"),
        ({"attribute": "a", "types": ["T", 1]}, "types must be"),
        ({"attribute": "a", "types": ["T"], "sensitivity": "secret"}, "personal or internal"),
        ({"attribute": "a", "types": ["T"], "subject": "no name"}, "subject must be"),
        ({"attribute": "a", "types": ["T"], "keep": "x" * 501}, "keep must name a law"),
        ({"attribute": "a", "types": ["T"], "law": "x"}, "no member 'law'"),
    ],
)
def test_a_mark_that_cannot_be_is_refused_by_member(body: dict[str, object], said: str) -> None:
    with pytest.raises(BadRequestData) as caught:
        mark_of(body)
    assert said in str(caught.value)


async def test_a_kept_policy_that_cannot_be_used_stops_the_start_and_says_the_way_out(
    tmp_path: Path,
) -> None:
    engine = SqliteEngine(tmp_path)
    try:
        records = Records(await engine.system())
        await records.put("policy", "old", {"text": "permit (principal, resource);"})
        with pytest.raises(BadPolicy, match=r"policy old, line 1.*`madang policy remove old`"):
            await Policies(records, Recorder()).start()
    finally:
        await engine.close()
