"""Reads what one tile shows of the entities that its reader sees, present and past."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from madang.model import time
from madang.web.dashboards import present, units
from madang.web.dashboards.course import SPANS, Asked, Course, course, courses
from madang.web.dashboards.guidelines import applying, band_of
from madang.web.dashboards.kept import Answers
from madang.web.dashboards.tiles import Bands, ChartTile, MapTile, NumberTile, TableTile

if TYPE_CHECKING:
    from madang.hub.tenant import Tenant
    from madang.trust.view import View

Fact = dict[str, Any]

PRESENT_S: Final = 5.0
"""How long what entities say at present is kept for a reader. [s]"""
COURSE_S: Final = 60.0
"""How long a course is. [s]"""
MOST_GROUPS: Final = 30
MOST_LINES: Final = 8
MOST_PLACES: Final = 500


class Reading:
    """Reads for one reader; what was read is kept for a moment."""

    def __init__(self, tenant: Tenant | View, answers: Answers) -> None:
        self._tenant = tenant
        self._answers = answers

    async def all(self, type: str, q: str) -> present.Found:
        return await self._answers.get(
            ("entities", type, q), PRESENT_S, lambda: present.entities(self._tenant, type, q)
        )

    async def _course(self, tile: NumberTile | ChartTile) -> Course:
        asked = _asked(tile)
        return await self._answers.get(
            asked, COURSE_S, lambda: course(self._tenant, asked, self._tenant.clock.now())
        )

    # --- tiles ----------------------------------------------------------------------------------

    async def number(self, tile: NumberTile) -> Fact:
        found = await self.all(tile.type, tile.q)
        if not found.entities:
            return {"missing": "type"}
        if not tile.attribute:
            count = float(len(found.entities))
            return _shown(tile, count, tile.unit, "") | {
                "entities": len(found.entities), "more": found.more, "old": 0, "course": [],
                "judgements": _by_bands(tile.bands, count), "groups": [], "at": None,
            }  # fmt: skip
        now = self._tenant.clock.now()
        values, old = present.values(found.entities, tile.attribute, now)
        if not values:
            return {"missing": "value", "entities": len(found.entities)}
        number = present.summed_up([one.number for one in values], tile.of)
        newest = max(one.at for one in values)
        line = await self._course(tile)
        fact = _shown(tile, number, tile.unit or units.sign(values[0].unit), values[0].unit)
        return fact | {
            "entities": len(values),
            "more": found.more,
            "old": old,
            "isOld": now - newest > present.OLD_US,
            "at": time.render(newest),
            "course": [[point.at, _short(point.value)] for point in line],
            "judgements": _judged(tile, number, values[0].unit, line),
            "groups": _groups(tile, values),
            "total": _total(tile, values, number),
        }

    async def chart(self, tile: ChartTile) -> Fact:
        found = await self.all(tile.type, tile.q)
        if not found.entities:
            return {"missing": "type"}
        values, _ = present.values(found.entities, tile.attribute, self._tenant.clock.now())
        unit = values[0].unit if values else None
        if tile.by:
            lines, names = await self._lines(tile, found.entities)
            series = [
                {"label": names[group], **_columns(line)} for group, line in lines.items() if line
            ]
        else:
            line = await self._course(tile)
            series = [{"label": None, **_columns(line)}] if line else []
        if not series:
            return {"missing": "history" if values else "value"}
        return {"unit": tile.unit or units.sign(unit), "period": tile.period, "series": series}

    async def _lines(
        self, tile: ChartTile, entities: Sequence[Any]
    ) -> tuple[dict[str, Course], dict[str, present.Told]]:
        """Return a course for each group, the largest groups first, and what groups are called."""
        groups: dict[str, str] = {}
        names: dict[str, present.Told] = {}
        sizes: dict[str, int] = {}
        for entity in entities:
            name = present.group_of(entity, tile.by)
            if name is not None:
                key = _key(name)
                groups[entity.id], names[key] = key, name
                sizes[key] = sizes.get(key, 0) + 1
        chosen = set(sorted(sizes, key=lambda key: (-sizes[key], key))[:MOST_LINES])
        wanted = {id: key for id, key in groups.items() if key in chosen}
        asked = _asked(tile)
        found = await self._answers.get(
            (asked, tile.by),
            COURSE_S,
            lambda: courses(self._tenant, asked, self._tenant.clock.now(), wanted),
        )
        return {key: line for key, line in found.items() if key in names}, names

    async def table(self, tile: TableTile) -> Fact:
        found = await self.all(tile.type, tile.q)
        if not found.entities:
            return {"missing": "type"}
        rows = sorted(found.entities, key=lambda one: str(present.name_of(one)))
        if tile.order:
            rows.sort(key=lambda one: _place_in_order(one, tile))
        return {
            "columns": list(tile.columns),
            "count": len(found.entities),
            "more": found.more,
            "rows": [_row(one, tile.columns) for one in rows[: tile.limit]],
        }

    async def places(self, tile: MapTile) -> Fact:
        found = await self.all(tile.type, tile.q)
        if not found.entities:
            return {"missing": "type"}
        places = []
        unit: str | None = None
        for entity in found.entities:
            where = present.place(entity)
            if where is None:
                continue
            value = present.value(entity, tile.attribute) if tile.attribute else None
            unit = value.unit if value is not None else unit
            places.append(
                {
                    "id": entity.id,
                    "name": present.name_of(entity),
                    "lon": round(where[0], 6),
                    "lat": round(where[1], 6),
                    "value": None if value is None else _short(value.number),
                    "kind": None if value is None else kind_of(tile, value.number, value.unit),
                }
            )
        if not places:
            return {"missing": "place"}
        return {"unit": units.sign(unit), "count": len(places), "places": places[:MOST_PLACES]}


# --- parts ----------------------------------------------------------------------------------------


def _asked(tile: NumberTile | ChartTile) -> Asked:
    return Asked(tile.type, tile.q, tile.attribute, tile.of, tile.period)


def _shown(tile: NumberTile, value: float, unit: str, code: str | None) -> Fact:
    digits = units.digits(value) if tile.digits is None else tile.digits
    percent = code == "P1" or unit == "%"
    return {
        "value": round(value, max(digits, 4)),
        "digits": min(digits, 1) if percent and tile.digits is None else digits,
        "unit": unit,
        "of": tile.of,
        "period": tile.period,
    }


def _short(value: float) -> float:
    """Return a value as precise as pictures need it."""
    return float(f"{value:.5g}")


def _columns(line: Course) -> Fact:
    return {"at": [one.at for one in line], "value": [_short(one.value) for one in line]}


def _judged(
    tile: NumberTile, number: float, unit: str | None, line: Course
) -> list[dict[str, Any]]:
    """Return what a value means: by the tile's own bands, else by guidelines."""
    if tile.bands or not tile.guideline or tile.of in ("sum", "count"):
        return _by_bands(tile.bands, number)
    found = []
    for one in applying(tile.type, tile.attribute, unit):
        if one.over == "now":
            found.append(one.judge(number))
        elif tile.period == "day" and line:
            mean = sum(point.value for point in line) / len(line)
            hours = max(1, round(len(line) * SPANS["day"][1] / 3600))
            found.append(one.judge(_short(mean)) | {"hours": hours})
    return found


def _by_bands(bands: Bands, number: float) -> list[dict[str, Any]]:
    if not bands:
        return []
    band = band_of(bands, number)
    grade = None if band.title is None else band.title.model_dump()
    return [{"guideline": "", "over": "now", "kind": band.kind, "grade": grade, "value": number}]


def kind_of(tile: NumberTile | ChartTile | MapTile, number: float, unit: str | None) -> str | None:
    """Return whether a value is good or bad, by the tile's bands or by a guideline."""
    if tile.bands:
        return band_of(tile.bands, number).kind
    if not tile.guideline:
        return None
    for one in applying(tile.type, tile.attribute, unit):
        if one.over == "now":
            return band_of(one.bands, number).kind
    return None


def _groups(tile: NumberTile, values: Sequence[present.Value]) -> list[Fact]:
    """Return what the values of each group come to, the highest first."""
    if not tile.by:
        return []
    found: dict[str, list[present.Value]] = {}
    names: dict[str, present.Told] = {}
    for one in values:
        name = present.group_of(one.entity, tile.by)
        if name is not None:
            names[_key(name)] = name
            found.setdefault(_key(name), []).append(one)
    groups: list[Fact] = []
    for key, of_group in found.items():
        number = present.summed_up([one.number for one in of_group], tile.of)
        groups.append(
            {
                "name": names[key],
                "value": _short(number),
                "entities": len(of_group),
                "kind": kind_of(tile, number, of_group[0].unit),
            }
        )
    groups.sort(key=_highest_first)
    return groups[:MOST_GROUPS]


def _highest_first(group: Fact) -> tuple[float, str]:
    return -group["value"], str(group["name"])


def _key(name: present.Told) -> str:
    return name if isinstance(name, str) else next(iter(sorted(name.values())), "")


def _total(tile: NumberTile, values: Sequence[present.Value], number: float) -> Fact | None:
    """Return the whole that a sum is a share of."""
    if not tile.total or tile.of != "sum":
        return None
    found = [present.value(one.entity, tile.total) for one in values]
    whole = sum(one.number for one in found if one is not None)
    return {"value": _short(whole), "share": round(number / whole, 4)} if whole > 0 else None


def _place_in_order(entity: Any, tile: TableTile) -> tuple[bool, float, str]:
    found = present.content(entity, tile.order)
    turn = -1.0 if tile.descending else 1.0
    if isinstance(found, int | float):
        return False, turn * float(found), ""
    return found is None, 0.0, str(found)


def _row(entity: Any, columns: Sequence[str]) -> Fact:
    cells = []
    for name in columns:
        found = present.first(entity, name)
        cells.append(
            None
            if found is None
            else {
                "value": plain(present.content(entity, name)),
                "unit": units.sign(found.get("unitCode")),
                "at": time.render(present.instant(entity, name, found)),
            }
        )
    return {"id": entity.id, "name": present.name_of(entity), "cells": cells}


def plain(content: Any) -> Any:
    """Return a content as a table shows it: numbers, texts, texts in languages, yes or no."""
    if isinstance(content, bool | int | float) or content is None:
        return content
    if isinstance(content, str):
        return content[:200]
    if isinstance(content, dict) and content and all(isinstance(x, str) for x in content.values()):
        return {tag: text[:200] for tag, text in content.items()}
    if isinstance(content, dict) and "coordinates" in content:
        return str(content.get("type", ""))
    if isinstance(content, list) and all(isinstance(one, str | int | float) for one in content):
        return ", ".join(map(str, content))[:200]
    return "…"
