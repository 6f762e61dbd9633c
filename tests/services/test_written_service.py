"""The service of the page that tells how to write one works as the page says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from madang.hub.feed import Event
from madang.services.ground import Kept
from madang.services.run import Run
from tests.services.test_run import START, Nothing

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "write-a-service.md"
HOUR = 3_600_000_000


def hot(number: int, at: int, degrees: float) -> Event:
    id = "urn:ngsi-ld:WasteContainer:7"
    value = {"type": "Property", "value": degrees, "unitCode": "CEL"}
    entity = {"id": id, "type": "WasteContainer", "temperature": value}
    return Event(number, "updated", at, id, ("WasteContainer",), ("temperature",), (), entity)


async def test_the_service_of_the_page_finds_a_fire_once_an_hour() -> None:
    code = re.search(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert code is not None
    module: dict[str, Any] = {"__name__": "container_fire"}
    exec(compile(code[1], str(PAGE), "exec", dont_inherit=True), module)
    service, ground = module["service"], Nothing()
    run = Run(service, ground, service.given({"hot": 50}), Kept(0, START))
    for number, (at, degrees) in enumerate([(0, 20), (1, 55), (2, 70), (HOUR + 2, 60)], 1):
        await run.change(hot(number, START + at, degrees))
    kinds = [effect.document["type"] for effect in run.effects]
    assert kinds == ["WasteContainer", "KeyPerformanceIndicator", "Decision", "Alert"] * 2
    told = run.effects[2].document["description"]["languageMap"]
    assert told == {"en": "Fire: 55 °C, more than 50.0 °C", "ko": "화재: 55 °C, 50.0 °C 초과"}
