"""Assessments of a day: what is counted, of whom, and what was expected."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from madang.lake.catalog import SqliteCatalog
from madang.lake.ducklake import DuckLake
from madang.lake.engine import Engine
from madang.lake.questions import Instance
from madang.model.context import CORE
from madang.model.normalize import entity as normalized
from madang.sense.quality.report import Assessment, Expected, assess

DAY = date(2026, 11, 20)
START = 1_795_132_800_000_000  # 2026-11-20T00:00:00Z
HOUR = 3_600_000_000
SECOND = 1_000_000
DEVICE = "urn:ngsi-ld:Device:"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = Engine(tmp_path_factory.mktemp("scratch"), 300)
    yield engine
    engine.close()


@pytest.fixture
def lake(engine: Engine, tmp_path: Path) -> Iterator[DuckLake]:
    lake = DuckLake(engine, SqliteCatalog(tmp_path / "lake"))
    yield lake
    lake.close()


def row(entity: str, attribute: str, at: int, value: Any, **more: Any) -> Instance:
    given: dict[str, Any] = {
        "type": "A",
        "dataset": None,
        "kind": "Property",
        "observed": True,
        "unit": None,
        "more": None,
        "deleted": False,
        "created": at + 2 * SECOND,
        "modified": None,
        "seq": 0,
    }
    return Instance(entity=entity, attribute=attribute, time=at, value=value, **{**given, **more})


def judged(entity: str, at: int, flag: str, *reasons: str, delay: float = 2) -> Instance:
    marks: dict[str, Any] = {"quality": {"type": "Property", "value": flag}}
    if reasons:
        marks["qualityReason"] = {"type": "Property", "value": list(reasons)}
    return row(entity, "pm10", at, 5.0, more=marks, created=at + int(delay * SECOND))


def of_device(entity: str, device: str) -> Instance:
    return row(
        entity, "refDevice", START - HOUR, DEVICE + device, kind="Relationship", observed=False
    )


def owned(device: str, owner: Any) -> Instance:
    return row(DEVICE + device, "owner", START - HOUR, owner, observed=False, type="Device")


def by_provider(found: list[Assessment]) -> dict[str, Assessment]:
    return {one.provider: one for one in found}


def test_values_are_counted_by_provider_flag_and_reason(lake: DuckLake) -> None:
    lake.add(
        [
            judged("a", START, "good"),
            judged("a", START + HOUR, "suspect", "rate", "late"),
            judged("b", START + 2 * HOUR, "fail", "range"),
            judged("c", START + 3 * HOUR, "notEvaluated"),
            row("a", "dataProvider", START, "City", observed=False),
            row("b", "dataProvider", START, "City", observed=False),
            of_device("c", "d1"),
            owned("d1", ["Maker", "Other"]),
        ]
    )
    found = by_provider(assess(lake, DAY, START + 99 * HOUR, []))
    assert set(found) == {"City", "Maker"}
    city = found["City"]
    assert (city.values, city.sources) == (3, 2)
    assert city.flags == {"good": 1, "suspect": 1, "fail": 1}
    assert city.reasons == {"rate": 1, "late": 1, "range": 1}
    assert city.validity == pytest.approx(1 / 3)
    assert found["Maker"].validity is None


def test_only_judged_values_of_that_day_count(lake: DuckLake) -> None:
    lake.add(
        [
            judged("a", START - 1, "good"),
            judged("a", START, "good"),
            judged("a", START + 24 * HOUR - 1, "fail", "range"),
            judged("a", START + 24 * HOUR, "good"),
            row("a", "pm10", START + 5, 3.0),
            row("a", "name", START + 5, "x", observed=False),
        ]
    )
    (found,) = assess(lake, DAY, START + 99 * HOUR, [])
    assert (found.provider, found.values, found.flags) == ("", 2, {"good": 1, "fail": 1})


def test_completeness_compares_what_came_with_what_each_device_should_have_sent(
    lake: DuckLake,
) -> None:
    rows = [of_device("a1", "a"), of_device("a2", "a"), owned("a", "City"), owned("b", "City")]
    for n in range(12):  # every second of the 24 messages; two entities in each
        at = START + 2 * n * HOUR
        rows += [judged("a1", at, "good"), judged("a2", at, "good")]
    rows += [judged(DEVICE + "b", START + n * HOUR // 4, "good") for n in range(96)]
    lake.add(rows)
    fleet = [
        Expected(DEVICE + "a", "City", 3600, 0),
        Expected(DEVICE + "b", "City", 3600, 0),  # sends four times as often
        Expected(DEVICE + "c", "City", 3600, START + 18 * HOUR),  # came to be known at 18:00
        Expected(DEVICE + "d", "Else", 3600, START + 25 * HOUR),
    ]
    found = by_provider(assess(lake, DAY, START + 99 * HOUR, fleet))
    city = found["City"]
    assert (city.expected, city.received) == (24 + 24 + 6, 12 + 24)
    assert city.completeness == pytest.approx(36 / 54)
    assert city.silent == [DEVICE + "c"]
    assert (found["Else"].completeness, found["Else"].silent) == (None, [])


def test_of_a_day_that_is_not_over_only_what_has_passed_is_expected(lake: DuckLake) -> None:
    (found,) = assess(lake, DAY, START + 6 * HOUR, [Expected(DEVICE + "a", "", 60, 0)])
    assert (found.expected, found.silent) == (360, [DEVICE + "a"])


def test_delays_are_right_to_three_per_cent(lake: DuckLake) -> None:
    lake.add(
        [judged("a", START + n * SECOND, "good", delay=n / 10) for n in range(1, 101)]
        + [judged("b", START, "good", delay=-3)]
    )
    (found,) = assess(lake, DAY, START + 99 * HOUR, [])
    assert found.delay(0.5) == pytest.approx(5.0, rel=0.03)
    assert found.delay(0.95) == pytest.approx(9.5, rel=0.03)
    assert found.delay(0.001) == 0.001  # measured in the future


@pytest.mark.slow
def test_who_provides_something_is_what_was_said_last_before_the_day_ended(lake: DuckLake) -> None:
    lake.add(
        [
            judged("a", START, "good"),
            row("a", "dataProvider", START - HOUR, "Old", observed=False),
            row("a", "dataProvider", START + 30 * HOUR, "New", observed=False),
            judged("b", START, "good"),
            row("b", "dataProvider", START + 30 * HOUR, "First", observed=False),
        ]
    )
    assert set(by_provider(assess(lake, DAY, START + 99 * HOUR, []))) == {"Old", "First"}


def test_a_quiet_day_of_nobody_has_no_assessment(lake: DuckLake) -> None:
    assert assess(lake, DAY, START + 99 * HOUR, []) == []


def test_an_assessment_is_a_valid_entity_with_the_members_of_the_model() -> None:
    one = Assessment("Umweltamt Köln/1", DAY, 4, sources=1, expected=8, received=6, delay_sum=240)
    one.flags.update({"good": 3, "fail": 1})
    one.reasons.update({"range": 1})
    one.delays.update({40: 4})
    document = normalized(one.entity(START + 30 * HOUR), CORE).document
    assert document["id"] == (
        "urn:ngsi-ld:DataQualityAssessment:Umweltamt%20K%C3%B6ln%2F1:2026-11-20"
    )
    assert document["dataProvider"]["value"] == "Umweltamt Köln/1"
    at = {"observedAt": "2026-11-21T00:00:00Z"}
    assert document["completeness"] == {"type": "Property", "value": 0.75, **at}
    assert document["timeliness"] == {"type": "Property", "value": 1.0, **at}
    assert document["flags"]["value"] == {"good": 3, "fail": 1}
    assert document["delayMedian"]["value"] == 10
