"""How good the data of each provider was on a day, worked out from history.

Only values that a device or feed gave a time and that were judged are counted. History is read an
hour at a time, so that the day of a large city needs no more memory than an hour of it.

Source of the words: W3C Data Quality Vocabulary (completeness, timeliness, validity) and Smart Data
Models, DataQualityAssessment.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote

import orjson

from madang.lake import window
from madang.model import time

if TYPE_CHECKING:
    import duckdb

    from madang.lake.protocol import Lake

TYPE: Final = "DataQualityAssessment"
PREFIX: Final = "urn:ngsi-ld:DataQualityAssessment:"
MOST_SILENT: Final = 1_000
"""Silent devices that are named; all are counted."""

_HOUR: Final = 3_600_000_000
_DAY: Final = 24 * _HOUR
_STEPS: Final = 40
"""Classes of delays for each power of ten: a percentile is right to 3 %."""
_SHORTEST: Final = 0.001
"""Delays below are counted as this. [s]"""

_SAYS: Final = ("dataProvider", "refDevice", "owner")


class Expected(NamedTuple):
    """A device of which values are expected."""

    id: str
    """Of its entity."""
    owner: str
    interval_s: float
    since: int
    """From when on. [us since 1970]"""


@dataclass(slots=True)
class Assessment:
    """The data of one provider on one day (UTC)."""

    provider: str
    """Empty: of sources of which nobody said whose they are."""
    day: date
    values: int = 0
    flags: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    sources: int = 0
    """Devices, and entities without one, that something was heard of."""
    expected: int = 0
    """Messages that should have come, of devices that say how often they report."""
    received: int = 0
    """Of these, how many came; no device makes up for another."""
    silent: list[str] = field(default_factory=list)
    """Devices of these of which nothing came all day."""
    delay_sum: float = 0.0
    delays: Counter[int] = field(default_factory=Counter)

    @property
    def completeness(self) -> float | None:
        """Share of the expected messages that came. [1]"""
        return None if self.expected == 0 else self.received / self.expected

    @property
    def validity(self) -> float | None:
        """Share of the values that were tested and found good. [1]"""
        tested = self.values - self.flags["notEvaluated"]
        return None if tested == 0 else self.flags["good"] / tested

    def delay(self, share: float) -> float | None:
        """Return the delay that this share of the values came within, right to 3 %. [s]"""
        left = share * self.delays.total()
        for step, count in sorted(self.delays.items()):
            left -= count
            if left <= 0:
                return float(f"{10 ** (step / _STEPS):.3g}")
        return None

    def told(self) -> dict[str, Any]:
        """Return it as the API shows it."""
        return {
            "provider": self.provider,
            "day": self.day.isoformat(),
            "values": self.values,
            "flags": dict(self.flags.most_common()),
            "reasons": dict(self.reasons.most_common()),
            "validity": _rounded(self.validity),
            "completeness": _rounded(self.completeness),
            "expected": self.expected,
            "received": self.received,
            "delayMedian": self.delay(0.5),
            "delayP95": self.delay(0.95),
            "sources": self.sources,
            "silent": len(self.silent),
            "silentDevices": self.silent[:MOST_SILENT],
        }

    def entity(self, now: int) -> dict[str, Any]:
        """Return the entity that is published. Its members are those of the model, where it has
        them; ``timeliness`` is the mean delay in minutes, as it says."""
        told = self.told()
        observed = time.render(_start(self.day) + _DAY)
        known: dict[str, Any] = {
            "dataProvider": told.pop("provider") or "unknown",
            "dateCalculated": time.render(now // 1_000_000 * 1_000_000),
        }
        figures = {
            "completeness": told.pop("completeness"),
            "validity": told.pop("validity"),
            "timeliness": _rounded(self.delay_sum / self.values / 60) if self.values else None,
        }
        entity: dict[str, Any] = {
            "id": f"{PREFIX}{quote(self.provider or 'unknown', safe='')}:{self.day}",
            "type": TYPE,
        }
        for name, value in {**known, **told}.items():
            if value is not None:
                entity[name] = {"type": "Property", "value": value}
        for name, value in figures.items():
            if value is not None:
                entity[name] = {"type": "Property", "value": value, "observedAt": observed}
        return entity


def assess(lake: Lake, day: date, now: int, devices: Iterable[Expected]) -> list[Assessment]:
    """Return the assessments of a day, by provider.

    Args:
        lake: the history.
        day: in UTC. Of the current one, what has passed of it counts.
        now: [us since 1970]
        devices: of which something is expected.
    """
    found: dict[str, Assessment] = {}
    heard: dict[str, int] = defaultdict(int)
    provider_of: dict[str, str] = {}
    start = _start(day)
    with lake.reading() as cursor:
        _find_sources(cursor, lake, start + _DAY)
        for hour in range(start, min(start + _DAY, now), _HOUR):
            values = _values(hour)
            for row in cursor.execute(_COUNTS.format(values=values)).fetchall():
                _count(_of(found, row[0], day), *row[1:])
            for source, provider, messages in cursor.execute(
                _MESSAGES.format(values=values)
            ).fetchall():
                heard[source] += messages
                provider_of[source] = provider
    for provider in provider_of.values():
        _of(found, provider, day).sources += 1
    for device in devices:
        assessment = _of(found, provider_of.get(device.id, device.owner), day)
        _compare(assessment, device, heard.get(device.id, 0), start, min(start + _DAY, now))
    return sorted(found.values(), key=lambda one: one.provider)


def today(now: int) -> date:
    """Return the day of an instant, in UTC."""
    return datetime.fromtimestamp(now / 1e6, UTC).date()


def yesterday(now: int) -> date:
    """Return the day before, in UTC."""
    return today(now) - timedelta(days=1)


def _start(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000_000


def _of(found: dict[str, Assessment], provider: str, day: date) -> Assessment:
    if provider not in found:
        found[provider] = Assessment(provider, day)
    return found[provider]


def _count(
    one: Assessment, flag: str, reasons: str | None, step: int, count: int, delay: float
) -> None:
    one.values += count
    one.flags[flag] += count
    one.delays[step] += count
    one.delay_sum += delay
    given = None if reasons is None else orjson.loads(reasons)
    for reason in given if isinstance(given, list) else ():
        one.reasons[str(reason)] += count


def _compare(one: Assessment, device: Expected, received: int, start: int, end: int) -> None:
    """Compare how many messages came with how many should have."""
    expected = int((end - max(start, device.since)) / 1e6 / device.interval_s)
    if expected <= 0:
        return
    one.expected += expected
    one.received += min(received, expected)
    if received == 0:
        one.silent.append(device.id)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


# --- SQL ----------------------------------------------------------------------------------------

_COUNTS: Final = f"""
SELECT coalesce(provider, ''), more->>'$.quality.value', more->>'$.qualityReason.value', step,
       CAST(sum(count) AS BIGINT), sum(delay)
FROM (SELECT entity, more, CAST(round(log10(delay) * {_STEPS}) AS INTEGER) AS step,
             count(*) AS count, sum(delay) AS delay
      FROM ({{values}}) GROUP BY ALL)
LEFT JOIN temp.quality_source USING (entity)
WHERE json_exists(more, '$.quality.value') GROUP BY ALL
"""

_MESSAGES: Final = """
SELECT coalesce(source, entity), coalesce(provider, ''), count(DISTINCT time)
FROM (SELECT entity, time FROM ({values}) GROUP BY ALL)
LEFT JOIN temp.quality_source USING (entity) GROUP BY ALL
"""


def _values(hour: int) -> str:
    """Return the values of an hour that may have been judged, as SQL.

    Most are alike in all but value and time, so their JSON is looked at when they are grouped.
    """
    return f"""
        SELECT entity, time, more,
               greatest((epoch_us(created) - epoch_us(time)) / 1e6, {_SHORTEST}) AS delay
        FROM history
        WHERE time >= {window.instant(hour)} AND time < {window.instant(hour + _HOUR)}
          AND observed AND NOT deleted AND contains(more, '"quality"')
    """


def _find_sources(cursor: duckdb.DuckDBPyConnection, lake: Lake, end: int) -> None:
    """Make a table that says of entities which device and which provider they are of.

    What was said last before the end of the day counts, or else what was said first afterwards.
    """
    names: dict[str, list[str]] = {name: [] for name in _SAYS}
    for attribute in {kind.attribute for kind in lake.kinds()}:
        short = attribute.rstrip("/#").rsplit("/", 1)[-1].rsplit("#", 1)[-1]
        if short in names:
            names[short].append(attribute)
    columns = ", ".join(_said(name, names[name], end) for name in _SAYS)
    every = [attribute for attributes in names.values() for attribute in attributes]
    cursor.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE quality_said AS SELECT entity, {columns} FROM history
        WHERE {_among(every)} AND NOT deleted AND dataset IS NULL GROUP BY entity;
        CREATE OR REPLACE TEMP TABLE quality_source AS
        SELECT e.entity, coalesce(e.refDevice, e.entity) AS source,
               coalesce(d.owner, e.dataProvider, d.dataProvider, e.owner, '') AS provider
        FROM temp.quality_said e LEFT JOIN temp.quality_said d ON d.entity = e.refDevice
        """
    )


def _said(name: str, attributes: Sequence[str], end: int) -> str:
    value = "coalesce(text, json->>'$[0]')"
    before, after = (f"time {sign} {window.instant(end)}" for sign in ("<", ">="))
    of_it = _among(attributes)
    return (
        f"coalesce(arg_max({value}, time) FILTER ({of_it} AND {before}),"
        f" arg_min({value}, time) FILTER ({of_it} AND {after})) AS {name}"
    )


def _among(attributes: Sequence[str]) -> str:
    return window.among("attribute", sorted(attributes)) if attributes else "false"
