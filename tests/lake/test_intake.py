"""What the outbox says of a change is what history has of it, member by member."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from madang.lake.ducklake import DuckLake
from madang.lake.engine import Engine
from madang.lake.questions import Instance, Wanted
from madang.lake.selection import attribute_of
from madang.model import time
from madang.model.entity import Entity
from madang.query.tree import Query, Selector
from madang.store.protocol import Change
from tests.contract.lakes import MakeCatalog
from tests.lake.outbox import SECOND, T0, Outbox, entity
from tests.strategies import DATASETS, instances

pytestmark = pytest.mark.slow

fresh = count(1)


@pytest.fixture(scope="module")
def shared(
    duckdb_engine: Engine, catalog: MakeCatalog, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[DuckLake, Outbox]]:
    lake = DuckLake(duckdb_engine, catalog(tmp_path_factory.mktemp("intake") / "lake"))
    yield lake, Outbox()
    lake.close()


def past(lake: DuckLake, id: str) -> list[Instance]:
    found = lake.pasts(Wanted(Query(selectors=(Selector(ids=(id,)),)))).entities
    return found[0].instances if found else []


def without_expiry(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_expiry(v) for k, v in value.items() if k != "expiresAt"}
    return [without_expiry(one) for one in value] if isinstance(value, list) else value


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(attribute=instances(expiring=False), dataset=st.sampled_from((None, *DATASETS)))
def test_an_instance_comes_back_as_it_was_written(
    shared: tuple[DuckLake, Outbox], attribute: dict[str, Any], dataset: str | None
) -> None:
    lake, outbox = shared
    if dataset is not None:
        attribute = {**attribute, "datasetId": dataset}
    id = f"urn:ngsi-ld:Thing:{next(fresh)}"
    lake.take([outbox.put(entity(id, speed=attribute))])
    (found,) = (one for one in past(lake, id) if one.attribute == "speed")
    assert attribute_of(found) == attribute
    assert found.dataset == dataset
    assert not found.deleted


def test_every_member_has_its_column(lake: DuckLake) -> None:
    value = {
        "type": "Property",
        "value": 21.5,
        "unitCode": "CEL",
        "observedAt": "2026-09-21T14:13:19.123456Z",
        "accuracy": {"type": "Property", "value": 0.5},
    }
    lake.take([Outbox().put(entity("urn:r:1", ["Hall", "Room"], temperature=value))])
    (found,) = past(lake, "urn:r:1")
    assert found == Instance(
        entity="urn:r:1",
        type="Hall Room",
        attribute="temperature",
        dataset=None,
        kind="Property",
        time=T0 - 876_544,
        observed=True,
        value=21.5,
        unit="CEL",
        more={"accuracy": {"type": "Property", "value": 0.5}},
        deleted=False,
        created=T0,
        modified=None,
        seq=1,
    )


VALUES: list[Any] = [
    12345678901234567, -(2**63), 2**64 - 1, 0, -0.5, 1e300, "true", "null", "12", "", "é\"\\\n",
    "a\x00b", True, False, [], {}, [1, None], {"a": None},
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_no_value_is_taken_for_another(shared: tuple[DuckLake, Outbox], value: Any) -> None:
    lake, outbox = shared
    id = f"urn:ngsi-ld:Thing:{next(fresh)}"
    lake.take([outbox.put(entity(id, plain={"type": "Property", "value": value}))])
    (found,) = past(lake, id)
    assert found.value == value
    assert type(found.value) is type(value)


@pytest.mark.parametrize("text", ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00,5Z",
                                  "2026-01-01T00:00:00.123456789Z", "0001-01-01T00:00:00Z",
                                  "9999-12-31T23:59:59.999999Z"])  # fmt: skip
def test_every_date_time_of_the_standard_is_read(
    shared: tuple[DuckLake, Outbox], text: str
) -> None:
    lake, outbox = shared
    id = f"urn:ngsi-ld:Thing:{next(fresh)}"
    value = {"type": "Property", "value": 1, "observedAt": text}
    lake.take([outbox.put(entity(id, speed=value))])
    assert past(lake, id)[0].time == time.parse(text)


def test_only_what_was_put_becomes_history(lake: DuckLake) -> None:
    outbox = Outbox()
    lake.take([outbox.put(entity("urn:r:1", a=1, b=1, c=1))])
    lake.take([outbox.put(entity("urn:r:1", a=1, b=2, c=1, at=T0 + SECOND), names=["b"])])
    lake.take([outbox.put(entity("urn:r:1", a=3, b=2, at=T0 + 2 * SECOND), names=["a"])])
    assert [(one.attribute, one.value) for one in past(lake, "urn:r:1")] == [
        ("a", 1), ("a", 3), ("b", 1), ("b", 2), ("c", 1),
    ]  # fmt: skip


def test_instances_that_stayed_beside_one_that_was_put_are_not_told_again(lake: DuckLake) -> None:
    outbox = Outbox()
    one, two = ({"type": "Property", "value": 1}, {"type": "Property", "value": 2})
    two["datasetId"] = "urn:d:1"
    new = {**two, "value": 3}
    lake.take([outbox.put(entity("urn:r:1", speed=[one, two]))])
    lake.take([outbox.put(entity("urn:r:1", speed=[one, new], at=T0 + 1), names=["speed"])])
    assert [(i.dataset, i.value) for i in past(lake, "urn:r:1")] == [
        (None, 1), ("urn:d:1", 2), ("urn:d:1", 3),
    ]  # fmt: skip


def test_deletions_and_scopes_are_history_too(lake: DuckLake) -> None:
    outbox = Outbox()
    before = entity("urn:r:1", a=1, owner={"type": "Relationship", "object": "urn:p:1"}, scope="/x")
    after = Entity({"id": "urn:r:1", "type": "Room", "a": before.document["a"]}, T0, T0 + 9, T0)
    lake.take([outbox.put(before)])
    lake.take(
        [
            outbox.block(
                [Change("updated", T0 + 9, "urn:r:1", before, after, (), ("owner", "scope"))]
            )
        ]
    )
    told = [(i.attribute, i.kind, i.value, i.deleted) for i in past(lake, "urn:r:1")]
    assert told == [
        ("a", "Property", 1, False),
        ("owner", "Relationship", "urn:p:1", False),
        ("owner", "Relationship", None, True),
        ("scope", "Scope", "/x", False),
        ("scope", "Scope", None, True),
    ]


def test_blocks_that_come_again_change_nothing(lake: DuckLake) -> None:
    outbox = Outbox()
    blocks = [outbox.put(entity("urn:r:1", a=n, at=T0 + n)) for n in range(4)]
    lake.take(blocks[:3])
    lake.take(blocks[1:3])
    lake.drain()
    lake.take(blocks)
    assert [one.value for one in past(lake, "urn:r:1")] == [0, 1, 2, 3]
    assert (lake.taken, lake.drained, lake.waiting) == (4, 3, 1)


def test_a_block_of_which_a_part_was_taken_gives_the_rest(lake: DuckLake) -> None:
    outbox, whole = Outbox(), Outbox()
    rooms = [entity("urn:r:1", a=n, at=T0 + n) for n in range(3)]
    lake.take([outbox.put(*rooms[:2])])
    lake.take([whole.put(*rooms)])
    assert [one.value for one in past(lake, "urn:r:1")] == [0, 1, 2]
