"""What a reader is told of a replay: of decisions, those that they may read in the city."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson

from madang.api.replay import _lines, _result
from madang.query.reach import Hidden, Reach
from madang.query.tree import HasType
from madang.services.replay.replays import Replay
from madang.trust.sight import Sight
from madang.trust.view import View


def seeing(reach: Reach) -> View:
    """Return a view of which only the sight is asked."""
    view = View.__new__(View)
    view.sight = Sight(reach, lambda *_: True, lambda *_: None)
    return view


def decision(n: int, **more: Any) -> dict[str, Any]:
    return {"id": f"urn:ngsi-ld:Decision:test:{n}", "type": "Decision"} | {
        name: {"type": "Property", "value": value} for name, value in more.items()
    }


def done(*decided: dict[str, Any]) -> Replay:
    result = {"runs": [{"decisions": len(decided), "decided": list(decided)}]}
    return Replay("1", "", "test", 0, 1, [{}], Path(), state="done", result=result)


def test_decisions_out_of_reach_are_counted_but_not_shown() -> None:
    replay = done(decision(1, description="one"), decision(2, person="Kim"))

    def shown(reach: Reach) -> list[str]:
        found = _result(replay, seeing(reach))
        assert found is not None
        (run,) = found["runs"]
        assert run["decisions"] == 2
        return [one["id"][-1] for one in run["decided"]]

    assert shown(Reach()) == ["1", "2"]
    assert shown(Reach(HasType("Bench"))) == []
    assert shown(Reach(hidden=(Hidden("person"),))) == ["1"]


async def test_effects_out_of_reach_are_left_out(tmp_path: Path) -> None:
    bench = {"id": "urn:ngsi-ld:Bench:1", "type": "Bench"}
    file = tmp_path / "effects.ndjson"
    lines = [decision(1), bench] * 700
    file.write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in lines))
    sent = await whole(_lines(file, seeing(Reach(HasType("Bench")))))
    assert [orjson.loads(line) for line in sent.splitlines()] == [bench] * 700


async def test_effects_are_narrowed_to_types(tmp_path: Path) -> None:
    bench = {"id": "urn:ngsi-ld:Bench:1", "type": "Bench"}
    file = tmp_path / "effects.ndjson"
    file.write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in (decision(1), bench)))
    sent = await whole(_lines(file, seeing(Reach()), frozenset({"Decision", "Alert"})))
    assert [orjson.loads(line) for line in sent.splitlines()] == [decision(1)]


async def whole(parts: AsyncIterator[bytes]) -> bytes:
    return b"".join([part async for part in parts])
