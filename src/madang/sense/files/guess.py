"""A sensible mapping for a file that has none, made by looking at its first rows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from statistics import median

from madang.sense.files import cells, guess_place, guess_time, vocabulary
from madang.sense.files import mapping as rules
from madang.sense.files.guess_time import Whole
from madang.sense.files.location import Row
from madang.sense.files.mapping import ROW, Attribute, EntityPart, Reading, is_name
from madang.sense.files.sample import NULLS, Column, columns_of
from madang.sense.files.vocabulary import Meaning

_IDS = (
    "id", "entityid", "equipid", "deviceid", "sensorid", "stationid", "nodeid", "serial",
    "serialnumber", "serialno", "시리얼", "일련번호", "관리번호", "고유번호", "station", "code",
)  # fmt: skip
_ID_ENDS = {"id", "code", "no", "number", "key", "번호", "코드", "serial"}
_ID_WORDS = {
    "station",
    "sensor",
    "household",
    "meter",
    "device",
    "node",
    "측정소",
    "측정소명",
    "지점",
}
_ID_ENDINGS = ("번호", "코드", "아이디", "측정소명", "지점명", "관측소명", "대여소명")
_ADDRESSES = (
    "address", "주소", "도로명주소", "소재지도로명주소", "도로명전체주소", "소재지전체주소",
    "지번주소", "소재지지번주소", "소재지",
)  # fmt: skip
_MARKS = re.compile(r"[^\w]+|_+")
_SWITCHES = {"true", "false"}


def mapping_for(
    stem: str,
    columns: Sequence[str],
    sample: Sequence[Row],
    type_name: str | None = None,
    separator: str = ",",
    whole: Whole | None = None,
) -> rules.Mapping:
    """Return a mapping made by looking at the names of the columns and some rows.

    Args:
        stem: name of the file without its endings; the entity type is made of it where the words
            in the header name none.
        columns: names of the columns, in order.
        sample: the first rows.
        type_name: entity type, if the caller knows better.
        separator: what separates the cells of text.
        whole: all cells of a column, for dates whose order of day and month is open.
    """
    seen, marks = columns_of(columns, sample, separator)
    place = guess_place.location(seen)
    is_korean = guess_place.is_korean(place, seen)
    when = guess_time.observed(seen, whole, is_korean)
    times = when.columns or [] if when else []
    used = {place.longitude, place.latitude, place.geometry} if place else set()
    identifier = _identifier(
        [column for name, column in seen.items() if name not in {*used, *times}], times, sample
    )
    kept = [seen[name] for name in columns if name not in {*used, *times}]
    if identifier == rules.ID:
        kept = [column for column in kept if column.name != rules.ID]
    best, kind = meanings(kept)
    kind = type_name or kind or type_of(stem)
    return rules.Mapping(
        read=Reading(null=NULLS, **marks._asdict()),
        observed=when,
        location=place,
        attributes=_attributes(kept, best, whole, is_korean),
        entity=[EntityPart(id=_template(kind, identifier, bool(times), stem), type=kind)],
    )


def type_of(stem: str) -> str:
    """Return an entity type made of the name of a file.

    >>> type_of("sdot_2025-avg"), type_of("2026 bins")
    ('Sdot2025Avg', 'File2026Bins')
    """
    words = [word for word in _MARKS.split(stem) if word]
    name = "".join(word[:1].upper() + word[1:] for word in words) or "Thing"
    return name if name[0].isalpha() else f"File{name}"


def name_of(column: str) -> str:
    """Return an attribute name made of the name of a column.

    >>> name_of("PM2.5"), name_of("location_name"), name_of("type"), name_of("기온(℃)")
    ('PM2_5', 'location_name', 'type_', '기온')
    """
    name = re.sub(r"\W+", "_", column).strip("_") or "column"
    if not name[0].isalpha():
        name = f"column_{name}"
    return name if is_name(name) else f"{name}_"


def meanings(columns: Iterable[Column]) -> tuple[dict[str, Meaning], str]:
    """Return what columns mean, by their names, and the entity type that most of them speak of."""
    found = {
        column.name: [m for m in vocabulary.matches(column.name) if _suits(m.meaning, column)]
        for column in columns
    }
    said = {m.meaning for some in found.values() for m in some if m.length == some[0].length}
    votes: dict[str, float] = {}
    for meaning in sorted(said, key=vocabulary.place_of):
        for one in meaning.types:
            votes[one] = votes.get(one, 0.0) + (0.5 if meaning.weak else 1.0)
    kind = max(votes, key=lambda one: votes[one], default="")
    kind = kind if kind and votes[kind] >= 1.0 else ""
    chosen: dict[str, Meaning] = {}
    for name in sorted(found, key=lambda name: found[name][0].rest if found[name] else 0):
        taken = {meaning.name for meaning in chosen.values()}
        free = [match.meaning for match in found[name] if match.meaning.name not in taken]
        # Only the exactest words count: 초미세먼지 is not 미세먼지 because that is still free.
        longest = [m.meaning for m in found[name] if m.length == found[name][0].length]
        free = [meaning for meaning in free if meaning in longest]
        fitting = [meaning for meaning in free if kind in meaning.types]
        usable = fitting or [meaning for meaning in free if not meaning.weak]
        if usable:
            chosen[name] = usable[0]
    return chosen, kind


def _suits(meaning: Meaning, column: Column) -> bool:
    """Tell whether what a column holds can be what its name says."""
    if not column.cells or meaning.kind in ("text", "bearing"):
        return bool(column.cells)
    numbers = column.numbers
    if numbers is None:
        return False
    if meaning.whole:
        return column.is_whole and max(numbers) > 1
    # A share has no counts: more than a hundred per cent, or whole numbers only, are no share.
    return not meaning.share or max(numbers) <= 120


def _identifier(
    columns: Sequence[Column], times: Sequence[str], sample: Sequence[Row]
) -> str | None:
    """Return the column that tells things apart; None if rows do, or all are of one thing."""
    usable = [
        column
        for column in columns
        if column.is_filled and not {"{", "}"} & set(column.name) and _is_label(column)
    ]
    named = sorted(filter(_is_named, usable), key=_rank)
    if not times:
        others = [column for column in usable if column.numbers is None or _counts(column)]
        unique = [column for column in (*named, *others) if column.is_unique]
        return unique[0].name if unique else None
    if named:
        return named[0].name
    moments = [tuple(str(row.get(name)) for name in times) for row in sample]
    if len(set(moments)) == len(moments):
        return None
    for column in usable:
        pairs = {
            (moment, str(row.get(column.name))) for moment, row in zip(moments, sample, strict=True)
        }
        if len(pairs) >= 0.99 * len(moments) and len(column.different) < len(moments) / 2:
            return column.name
    return None


def _is_label(column: Column) -> bool:
    """Tell whether cells can name things: texts and whole numbers, no measured values."""
    return column.numbers is None or column.is_whole


def _counts(column: Column) -> bool:
    """Tell whether a column numbers the rows."""
    found = column.numbers or []
    return len(found) > 2 and all(after == before + 1 for before, after in pairwise(found))


def _is_named(column: Column) -> bool:
    last = column.tokens[-1] if column.tokens else ""
    return (
        column.plain in _IDS
        or last in _ID_ENDS
        or bool(_ID_WORDS & {column.plain})
        or column.plain.endswith(_ID_ENDINGS)
    )


def _rank(column: Column) -> int:
    return _IDS.index(column.plain) if column.plain in _IDS else len(_IDS)


def _template(kind: str, identifier: str | None, is_series: bool, stem: str) -> str:
    if identifier is None and is_series:  # a series of one thing, which the file is named after
        return f"urn:ngsi-ld:{kind}:{cells.uri_part(stem)}"
    return f"urn:ngsi-ld:{kind}:{{{identifier or ROW}}}"


def _attributes(
    columns: Sequence[Column],
    best: Mapping[str, Meaning],
    whole: Whole | None,
    is_korean: bool,
) -> dict[str, Attribute]:
    found: dict[str, Attribute] = {}
    reserved = {meaning.name for meaning in best.values()} | {"location", "address"}
    for column in columns:
        if not column.cells and column.name.startswith("column_"):
            continue
        meaning = best.get(column.name)
        if column.plain in _ADDRESSES and "address" not in found and "{" not in column.name:
            members = {"streetAddress": f"{{{column.name}}}"}
            found["address"] = Attribute(members=members, observed=False)
            continue
        name = meaning.name if meaning else name_of(column.name)
        while name in found or (meaning is None and name in reserved):
            name += "_"
        found[name] = attribute_for(column, meaning, whole, is_korean)
    return found


def attribute_for(
    column: Column, meaning: Meaning | None, whole: Whole | None = None, is_korean: bool = False
) -> Attribute:
    """Return the attribute that a column makes."""
    unit = vocabulary.unit_of(column.name)
    numbers = column.numbers
    if meaning is not None and (numbers or meaning.kind):
        return _meant(column, meaning, unit, numbers or [])
    if numbers and column.is_text:
        return Attribute(column=column.name, kind="number", unit=unit)
    if numbers:
        return Attribute(column=column.name, unit=unit)
    if column.is_text and {cell.casefold() for cell in column.different} <= _SWITCHES:
        kind: cells.Kind | None = "boolean" if column.cells else None
        return Attribute(column=column.name, kind=kind)
    if column.is_text and column.cells and not column.is_dated:
        form = guess_time.form_of(column, whole) if _says_when(column) else None
        if form is not None:
            zone = guess_time.zone_of(column, is_korean)
            return Attribute(column=column.name, kind="datetime", format=form, zone=zone)
    return Attribute(column=column.name)


def _says_when(column: Column) -> bool:
    """Tell a column of times from one of codes that could be read as times."""
    return all(any(mark in str(cell) for mark in "-/.:년") for cell in column.cells[:20])


def _meant(column: Column, meaning: Meaning, unit: str | None, numbers: list[float]) -> Attribute:
    if meaning.kind == "text":
        return Attribute(column=column.name, kind="text", observed=meaning.observed)
    if meaning.share:
        scale = 0.01 if max(numbers) > 1.5 or unit == "P1" else 1.0
        return Attribute(column=column.name, kind="number", scale=scale)
    usual = meaning.unit
    if meaning.korean_unit and numbers and median(numbers) < 2:
        usual = meaning.korean_unit
    kind = "integer" if meaning.whole else meaning.kind or "number"
    return Attribute(column=column.name, kind=kind, unit=unit or usual)
