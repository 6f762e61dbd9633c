"""Pictures of facts as SVG, for pages without scripts. Colours come from classes of city.css."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple

from markupsafe import Markup, escape

Pairs = Sequence[Sequence[float]]
"""Points of a course: seconds since 1970, and the value."""

_WIDTH: Final = 240
_HEIGHT: Final = 56
_GAP: Final = 2.5
"""Steps without a value after which a line is broken."""


class _Scale(NamedTuple):
    low: float
    high: float
    size: float
    turned: bool = False

    def at(self, value: float) -> float:
        """Return where a value lies in the picture."""
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return round((1 - share if self.turned else share) * self.size, 1)


def spark(course: Pairs, title: str) -> Markup:
    """Return a line without axes; the title says in words what it shows."""
    if len(course) < 2:
        return Markup("")
    across, up = _scales([course], _WIDTH, _HEIGHT - 8)
    line = _path(course, across, up)
    first, last = across.at(course[0][0]), across.at(course[-1][0])
    area = f"{line}V{_HEIGHT - 4}H{first}Z" if line.count("M") == 1 else ""
    return Markup(
        '<svg class="spark" viewBox="0 -4 {w} {h}" preserveAspectRatio="none" role="img"'
        ' aria-label="{title}"><path class="area" d="{area}"/>'
        '<path class="line" d="{line}"/><path class="end" d="M{x} {y}h0"/></svg>'
    ).format(w=_WIDTH, h=_HEIGHT, title=title, area=area, line=line, x=last, y=up.at(course[-1][1]))


def lines(series: Sequence[Pairs], title: str, start: str, end: str, height: int = 220) -> Markup:
    """Return courses with axes.

    Args:
        series: the courses.
        title: says in words what is shown.
        start: what stands at the left end of the axis of time.
        end: what stands at the right end.
        height: of the picture, 720 wide.
    """
    left, bottom, width = 52, 24, 720
    drawn = [one for one in series if len(one) > 1]
    if not drawn:
        return Markup("")
    across, up = _scales(drawn, width - left - 8, height - bottom - 12)
    marks = [
        Markup('<path class="grid" d="M{x} {y}H{w}"/><text x="{t}" y="{b}" class="at-end">{n}'
               '</text>')
        .format(x=left, y=up.at(mark) + 8, w=width, t=left - 6, b=up.at(mark) + 12, n=f"{mark:g}")
        for mark in ticks(up.low, up.high)
    ]  # fmt: skip
    paths = [
        Markup('<path class="line s{n}" transform="translate({x} 8)" d="{d}"/>').format(
            n=number % 8, x=left, d=_path(one, across, up)
        )
        for number, one in enumerate(drawn)
    ]
    ends = Markup(
        '<text x="{x}" y="{y}">{start}</text><text x="{w}" y="{y}" class="at-end">{end}</text>'
    ).format(x=left, y=height - 4, w=width, start=start, end=end)
    return Markup('<svg class="lines" viewBox="0 0 {w} {h}" role="img" aria-label="{t}">').format(
        w=width, h=height, t=title
    ) + Markup("").join([*marks, *paths, ends]) + Markup("</svg>")  # fmt: skip


def bar(share: float, kind: str | None) -> Markup:
    """Return a bar as long as a share of the whole, as decoration beside its number."""
    long = round(100 * min(max(share, 0.0), 1.0), 1)
    return Markup(
        '<svg class="share-bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="rail" width="100" height="8"/><rect class="{k}" width="{w}" height="8"/>'
        "</svg>"
    ).format(k=kind or "plain", w=long)


def ticks(low: float, high: float, most: int = 4) -> list[float]:
    """Return round numbers between two.

    >>> ticks(0.0, 9.0), ticks(21.3, 21.9)
    ([0.0, 5.0], [21.4, 21.6, 21.8])
    """
    if high <= low:
        return [low]
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(one * power for one in (1, 2, 5, 10) if one * power >= rough)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(number * step, 10) for number in range(first, last + 1)]


def _scales(series: Sequence[Pairs], width: float, height: float) -> tuple[_Scale, _Scale]:
    times = [one[0] for line in series for one in line]
    values = [one[1] for line in series for one in line]
    low, high = min(values), max(values)
    room = (high - low) * 0.08 or abs(high) * 0.05 or 1.0
    across = _Scale(min(times), max(times), width)
    return across, _Scale(low - room, high + room, height, turned=True)


def _path(course: Pairs, across: _Scale, up: _Scale) -> str:
    steps = [after[0] - before[0] for before, after in pairwise(course)]
    usual = sorted(steps)[len(steps) // 2] if steps else 0
    parts = []
    before: float | None = None
    for at, value in course:
        is_new = before is None or at - before > _GAP * usual
        parts.append(f"{'M' if is_new else 'L'}{across.at(at)} {up.at(value)}")
        before = at
    return "".join(parts)


# --- maps -----------------------------------------------------------------------------------------


class Frame(NamedTuple):
    """A piece of the earth on a picture, in the Mercator projection."""

    west: float
    north: float
    scale: float
    """Pixels for a degree of longitude."""
    width: float
    height: float

    @classmethod
    def around(
        cls, places: Iterable[tuple[float, float]], width: float = 720, height: float = 460
    ) -> Frame:
        """Return the frame that holds places (longitude, latitude), with a margin; there are some.

        A few that lie far away from all others are left outside, as a wrong place is soon typed.
        """
        points = [(x, _upward(y)) for x, y in places]
        west, east = _most([x for x, _ in points])
        south, north = _most([y for _, y in points])
        across, upward = max(east - west, 0.004), max(north - south, 0.004)
        scale = min((width - 40) / across, (height - 40) / upward)
        west -= (width / scale - (east - west)) / 2
        north += (height / scale - (north - south)) / 2
        return cls(west, north, scale, width, height)

    def at(self, longitude: float, latitude: float) -> tuple[float, float]:
        """Return where a place lies in the picture."""
        x = (longitude - self.west) * self.scale
        return round(x, 1), round((self.north - _upward(latitude)) * self.scale, 1)

    def holds(self, longitude: float, latitude: float) -> bool:
        """Tell whether a place lies in the picture."""
        x, y = self.at(longitude, latitude)
        return 0 <= x <= self.width and 0 <= y <= self.height


def _upward(latitude: float) -> float:
    """Return the height in the Mercator projection, in degrees as at the equator."""
    turned = math.radians(max(min(latitude, 85.0), -85.0))
    return math.degrees(math.log(math.tan(math.pi / 4 + turned / 2)))


def _most(numbers: list[float]) -> tuple[float, float]:
    """Return the ends of where nearly all numbers lie: far beyond the middle half, none counts."""
    ordered = sorted(numbers)
    quarter, half = ordered[len(ordered) // 4], ordered[-1 - len(ordered) // 4]
    reach = 12 * (half - quarter) or 0.05
    kept = [one for one in ordered if quarter - reach <= one <= half + reach]
    return kept[0], kept[-1]


def places(frame: Frame, found: Sequence[dict[str, Any]], ground: Markup, title: str) -> Markup:
    """Return a map of places over what stands still.

    Args:
        frame: what is seen.
        found: each with ``x``, ``y``, ``kind`` (or None), ``name``, and where it leads, ``href``.
        ground: streets and the like, drawn.
        title: says in words what is shown.
    """
    dots = []
    for one in found:
        x, y = one["x"], one["y"]
        dot = Markup('<circle class="{k}" cx="{x}" cy="{y}" r="6"><title>{n}</title></circle>')
        drawn = dot.format(k=one["kind"] or "plain", x=x, y=y, n=one["name"])
        if one.get("href"):
            drawn = Markup('<a href="{}" tabindex="-1" aria-hidden="true">{}</a>').format(
                one["href"], drawn
            )
        dots.append(drawn)
    return Markup(
        '<svg class="places" viewBox="0 0 {w} {h}" role="group" aria-label="{t}">{g}{d}</svg>'
    ).format(w=frame.width, h=frame.height, t=title, g=ground, d=Markup("").join(dots))


_MOST_GROUND: Final = 30_000  # characters of what stands still


def ground(frame: Frame, shapes: Iterable[tuple[str, dict[str, Any]]]) -> Markup:
    """Return streets, zones and buildings (class, geometry as GeoJSON) in the order they come.

    A class that is too much for a page is left out, as half of it would tell something wrong.
    """
    by_class: dict[str, list[str]] = {}
    for name, geometry in shapes:
        drawn = "".join(_outline(frame, line, closed) for line, closed in _lines(geometry))
        if drawn:
            by_class.setdefault(name, []).append(drawn)
    room, paths = _MOST_GROUND, []
    for name, parts in by_class.items():
        path = "".join(parts)
        if len(path) <= room:
            room -= len(path)
            paths.append(Markup('<path class="{}" d="{}"/>').format(name, path))
    return Markup("").join(paths)


def _lines(geometry: dict[str, Any]) -> Iterable[tuple[Sequence[Sequence[float]], bool]]:
    coordinates = geometry.get("coordinates", [])
    match geometry.get("type"):
        case "LineString":
            yield coordinates, False
        case "MultiLineString":
            yield from ((line, False) for line in coordinates)
        case "Polygon":
            yield from ((ring, True) for ring in coordinates[:1])
        case "MultiPolygon":
            yield from ((polygon[0], True) for polygon in coordinates if polygon)


def _outline(frame: Frame, line: Sequence[Sequence[float]], closed: bool) -> str:
    """Return a path in whole pixels, without steps that nobody would see."""
    points: list[tuple[int, int]] = []
    for one in line:
        x, y = frame.at(one[0], one[1])
        near = (round(x), round(y))
        if not points or max(abs(near[0] - points[-1][0]), abs(near[1] - points[-1][1])) > 1:
            points.append(near)
    inside = any(0 <= x <= frame.width and 0 <= y <= frame.height for x, y in points)
    if len(points) < 2 or not inside:
        return ""
    (x, y), *rest = points
    parts = [f"M{x} {y}"]
    for next_x, next_y in rest:
        parts.append(f"l{next_x - x} {next_y - y}")
        x, y = next_x, next_y
    return "".join(parts) + ("z" if closed else "")


def legend(kinds: Iterable[tuple[str, object]]) -> Markup:
    """Return what colours mean: a class and a text each."""
    return Markup("").join(
        Markup('<li><svg viewBox="0 0 12 12" aria-hidden="true"><circle class="{}" cx="6" cy="6"'
               ' r="5"/></svg> {}</li>').format(name, escape(text))
        for name, text in kinds
    )  # fmt: skip
