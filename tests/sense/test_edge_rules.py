"""What may leave an edge node: stripped, aggregated, and the position that follows from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.hub.feed import Event
from madang.model import time
from madang.sense.edge.forward import MOST_BYTES, MOST_ENTITIES, bodies
from madang.sense.edge.late import Late
from madang.sense.edge.position import Position, Told
from madang.sense.edge.rules import Rules
from madang.sense.edge.windows import GRACE, Windows
from madang.settings_sources import SettingsError, load
from madang.settings_types import EdgeRule
from madang.trust.marks import Mark

T0 = 1_770_000_000_000_000  # on the minute [us]
MINUTE = 60_000_000
CAMERA = "urn:ngsi-ld:Camera:1"
NUMBER = Mark("numberPlate", ("Camera",))
INNER = Mark("firmware", ("Camera",), "internal")


def measured(value: Any, second: float = 0.0, **more: Any) -> dict[str, Any]:
    at = time.render(T0 + round(second * 1e6))
    return {"type": "Property", "value": value, "observedAt": at, **more}


def event(position: int = 1, kind: str = "Camera", **attributes: Any) -> Event:
    entity = {"id": CAMERA, "type": kind, **attributes}
    return Event(position, "updated", T0, CAMERA, (kind,), tuple(attributes), (), entity)


def test_personal_attributes_stay_unless_somebody_says_otherwise() -> None:
    change = event(numberPlate=measured("12가3456"), count=measured(3), firmware=measured("1"))
    marks = (NUMBER, INNER)
    leaving, _ = Rules({}, lambda: marks).outgoing(change)
    assert leaving is not None
    assert leaving.keys() == {"id", "type", "count", "firmware"}
    leaving, _ = Rules({}, lambda: marks, personal=True).outgoing(change)
    assert leaving is not None
    assert "numberPlate" in leaving


def test_a_new_mark_counts_at_once() -> None:
    marks: list[tuple[Mark, ...]] = [()]
    rules = Rules({}, lambda: marks[0])
    change = event(numberPlate=measured("12가3456"))
    assert rules.outgoing(change)[0] is not None
    marks[0] = (NUMBER,)
    assert rules.outgoing(change)[0] is None


def test_attributes_are_stripped_by_type_and_of_all_types() -> None:
    rules = Rules({"*": EdgeRule(strip=["note"]), "Camera": EdgeRule(strip=["face"])}, tuple)
    change = event(note=measured("x"), face=measured("y"), count=measured(1))
    leaving, _ = rules.outgoing(change)
    assert leaving is not None
    assert leaving.keys() == {"id", "type", "count"}
    leaving, _ = rules.outgoing(event(kind="Door", face=measured("y"), note=measured("x")))
    assert leaving is not None
    assert leaving.keys() == {"id", "type", "face"}


def test_of_the_registry_only_what_was_measured_leaves() -> None:
    change = event(
        kind="Device", profile={"type": "Property", "value": "x"}, batteryVoltage=measured(3.1)
    )
    leaving, _ = Rules({}, tuple).outgoing(change)
    assert leaving is not None
    assert leaving.keys() == {"id", "type", "batteryVoltage"}


def test_what_was_deleted_here_stays_at_the_centre() -> None:
    gone = Event(1, "deleted", T0, CAMERA, ("Camera",), (), (), None)
    assert Rules({}, tuple).outgoing(gone) == (None, {})


def test_what_is_aggregated_does_not_leave_by_itself() -> None:
    rules = Rules({"Camera": EdgeRule(aggregate={"count": 60})}, tuple)
    leaving, gathered = rules.outgoing(event(count=measured(1), state=measured("on")))
    assert leaving is not None
    assert leaving.keys() == {"id", "type", "state"}
    assert gathered.keys() == {"count"}
    assert rules.kind(("Camera",)).windows == {"count": MINUTE}


# --- windows -----------------------------------------------------------------------------------


def fill(
    windows: Windows, values: list[tuple[float, Any]], first: int = 1, wait_s: float = 0.0
) -> list[dict[str, Any]]:
    """Add values at seconds, each written some time later; return the windows that they end."""
    entity, ended = {"id": CAMERA, "type": "Camera"}, []
    for position, (second, value) in enumerate(values, first):
        written = T0 + round((second + wait_s) * 1e6)
        attribute = measured(value, second, unitCode="C62")
        ended += windows.close(written)
        ended += windows.add(entity, "count", attribute, MINUTE, position, written)
    return ended


def test_a_window_leaves_as_mean_minimum_maximum_and_count() -> None:
    windows = Windows()
    assert fill(windows, [(0, 2), (20, 4), (59.9, 9)]) == []
    assert windows.close(T0 + MINUTE) == []  # somebody may be late yet
    assert windows.close(T0 + MINUTE + GRACE) == [
        {
            "id": CAMERA,
            "type": "Camera",
            "count": {
                "type": "Property",
                "value": 5.0,
                "unitCode": "C62",
                "observedAt": time.render(T0 + MINUTE),
                "minimum": {"type": "Property", "value": 2},
                "maximum": {"type": "Property", "value": 9},
                "sampleCount": {"type": "Property", "value": 3},
            },
        }
    ]
    assert windows.first is None


def test_a_value_of_a_later_window_ends_the_one_before() -> None:
    windows = Windows()
    ended = fill(windows, [(0, 2), (20, 4), (60, 100)], wait_s=3600)  # kept by the device
    assert [one["count"]["value"] for one in ended] == [3.0]
    assert windows.first == 3
    assert windows.close(T0 + 63 * MINUTE)[0]["count"]["value"] == 100.0


def test_what_failed_its_tests_or_is_no_number_does_not_count() -> None:
    windows = Windows()
    entity = {"id": CAMERA, "type": "Camera"}
    failed = measured(999, quality={"type": "Property", "value": "fail"})
    for attribute in (failed, measured("full"), measured(True), {"type": "Property", "value": 3}):
        assert windows.add(entity, "count", attribute, MINUTE, 1, T0) == []
    assert windows.first is None


def test_what_is_too_late_for_its_window_does_not_change_it_afterwards() -> None:
    windows = Windows()
    fill(windows, [(0, 2)])
    assert len(windows.close(T0 + MINUTE + GRACE)) == 1
    fill(windows, [(30, 50)], first=2)
    assert windows.first is None


SAMPLES = st.lists(st.tuples(st.integers(0, 600), st.floats(-1e6, 1e6)), min_size=1, max_size=60)


@given(SAMPLES, st.sampled_from([0.0, 2.0, 600.0]))
def test_every_value_is_in_one_window(values: list[tuple[int, float]], wait_s: float) -> None:
    windows, ordered = Windows(), sorted(values, key=lambda one: one[0])
    found = fill(windows, [(float(second), value) for second, value in ordered], wait_s=wait_s)
    found += windows.close(T0 + 100 * MINUTE)
    counts = [one["count"]["sampleCount"]["value"] for one in found]
    total = sum(one["count"]["value"] * count for one, count in zip(found, counts, strict=True))
    assert sum(counts) == len(values)
    assert total == pytest.approx(sum(value for _, value in values), rel=1e-9, abs=1e-3)
    for one in found:
        low, high = one["count"]["minimum"]["value"], one["count"]["maximum"]["value"]
        assert low - 1e-6 <= one["count"]["value"] <= high + 1e-6


# --- position and bodies -----------------------------------------------------------------------


def test_the_position_is_kept_for_one_centre(tmp_path: Path) -> None:
    file = tmp_path / "sense" / "edge.json"
    position = Position(file, "https://a")
    assert position.content == Told()
    position.save(Told(17, 20, 4))
    assert Position(file, "https://a").content == Told(17, 20, 4)
    assert Position(file, "https://b").content == Told()
    file.write_bytes(b"{")
    assert Position(file, "https://a").content == Told()


@given(st.lists(st.integers(0, 120_000), max_size=30), st.integers(0, 500))
def test_bodies_are_bounded_and_keep_the_order(sizes: list[int], many: int) -> None:
    entities: list[dict[str, Any]] = [{"id": n, "x": "x" * size} for n, size in enumerate(sizes)]
    entities += [{"id": len(sizes) + n} for n in range(many)]
    found = list(bodies(entities))
    assert all(len(one) <= MOST_ENTITIES for one in found)
    assert all(len(one) == 1 or sum(map(len, one)) <= MOST_BYTES for one in found)
    numbers = [int(content[6:].split(b",")[0].rstrip(b"}")) for one in found for content in one]
    assert numbers == list(range(len(entities)))


def test_the_settings_of_a_node_are_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "madang.toml"
    file.write_text(
        '[edge]\nupstream = "https://city.example"\nkey = "mdg_secret"\n'
        '[edge.rules.Camera]\nstrip = ["face"]\naggregate = { count = 60 }\n'
    )
    found = load(config=file, environ={})
    assert found.edge_rules == {"Camera": EdgeRule(strip=["face"], aggregate={"count": 60.0})}
    assert "mdg_secret" not in repr(found)
    with pytest.raises(SettingsError, match="must begin with https"):
        load({"edge_upstream": "http://city.example"}, environ={}, config=file)


def test_late_values_wait_on_the_disk_in_their_order(tmp_path: Path) -> None:
    late = Late(tmp_path / "late")
    assert late.first() is None
    for number in range(12):
        late.put([{"id": number}])
    again = Late(tmp_path / "late")  # after a crash
    again.put([{"id": 12}])
    assert len(again) == 13
    found = []
    while (first := again.first()) is not None:
        found.append(first[1][0]["id"])
        again.remove(first[0])
    assert found == list(range(13))
