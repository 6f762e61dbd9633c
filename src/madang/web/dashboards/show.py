"""How facts are said to a reader: numbers, ages, texts in their language, pictures with words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from markupsafe import Markup
from pydantic import BaseModel

from madang.model import time
from madang.web.dashboards import draw, present, units
from madang.web.texts import Texts

Words = str | Mapping[str, str] | BaseModel | None
"""A text, or the same in several languages."""

_STEPS: Final = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


class Show:
    """Says things in one language, as of now.

    Args:
        t: the texts of the language.
        now: for ages. [us since 1970]
        url: gives the address of a page of ours.
    """

    def __init__(self, t: Texts, now: int, url: Callable[[str], str]) -> None:
        self._t = t
        self._now = now
        self._url = url

    def words(self, text: Words) -> str:
        """Return a text in the reader's language, or in the one there is."""
        if isinstance(text, BaseModel):
            text = text.model_dump()
        if isinstance(text, Mapping):
            return text.get(self._t.language) or next((x for x in text.values() if x), "")
        return text or ""

    def paragraphs(self, text: Words) -> list[str]:
        """Return the paragraphs of a longer text."""
        return [one.strip() for one in self.words(text).split("\n\n") if one.strip()]

    def number(self, value: float, digits: int | None = None) -> str:
        """Return a number as people write it."""
        return f"{value:,.{units.digits(value) if digits is None else digits}f}"

    def value(self, value: float, unit: str = "", digits: int | None = None) -> str:
        """Return a number with its unit."""
        return f"{self.number(value, digits)} {unit}".strip()

    def age(self, at: str | int) -> Markup:
        """Return how long ago an instant was; the whole of it for machines and on hover."""
        instant = time.parse(at) if isinstance(at, str) else at
        seconds = max(0, (self._now - instant) // 1_000_000)
        name, size = next((one for one in _STEPS if seconds >= one[1]), _STEPS[-1])
        text = self._t(f"ages.{name}", number=seconds // size)
        whole = present.rendered(instant)
        return Markup('<time datetime="{0}" data-ago title="{0}">{1}</time>').format(whole, text)

    def content(self, cell: Mapping[str, Any] | None) -> str:
        """Return what a cell of a table holds."""
        if cell is None or cell["value"] is None:
            return "–"
        value = cell["value"]
        if isinstance(value, bool):
            return str(self._t("city.yes" if value else "city.no"))
        if isinstance(value, int | float):
            return self.value(value, cell.get("unit", ""))
        return self.words(value)

    def type(self, name: str) -> str:
        """Return what a type of entities is called."""
        return self._named("city_type", name)

    def attribute(self, name: str) -> str:
        """Return what an attribute is called."""
        return self._named("city_attribute", name)

    def about(self, type: str, count: int) -> str:
        """Return what a data set is, in a sentence or two."""
        key = f"city_about.{type}"
        known = str(self._t(key)) + " " if key in self._t else ""
        return known + str(self._t("city.about_data", number=f"{count:,}", name=self.type(type)))

    def _named(self, section: str, name: str) -> str:
        key = f"{section}.{name}"
        return str(self._t(key)) if key in self._t else name.rstrip("/").rpartition("/")[2]

    # --- pictures -------------------------------------------------------------------------------

    def spark(self, fact: Mapping[str, Any]) -> Markup:
        """Return the course of a number, with words for who does not see it."""
        course = fact["course"]
        if len(course) < 2:
            return Markup("")
        values = [one[1] for one in course]
        return draw.spark(course, str(self._t(
            "city.course", period=self._t(f"periods.{fact['period']}"),
            low=self.value(min(values), fact["unit"]), high=self.value(max(values), fact["unit"]),
        )))  # fmt: skip

    def lines(self, fact: Mapping[str, Any], title: str) -> Markup:
        """Return the picture of a chart."""
        series = [list(zip(one["at"], one["value"], strict=True)) for one in fact["series"]]
        start = str(self._t(f"periods.{fact['period']}_ago"))
        return draw.lines(series, title, start, str(self._t("periods.now")))

    def bar(self, value: float, groups: list[dict[str, Any]], kind: str | None) -> Markup:
        """Return a bar beside the number of a group; the longest is the highest of all."""
        most = max((abs(one["value"]) for one in groups), default=0.0)
        return draw.bar(abs(value) / most if most else 0.0, kind)

    def places(self, fact: Mapping[str, Any], title: str, ground: Any = None) -> Markup:
        """Return the picture of a map."""
        found = fact["places"]
        frame = draw.Frame.around((one["lon"], one["lat"]) for one in found)
        drawn = []
        for one in found:
            if frame.holds(one["lon"], one["lat"]):
                x, y = frame.at(one["lon"], one["lat"])
                name = self.words(one["name"])
                value = one.get("value")
                told = name if value is None else f"{name}: {self.value(value, fact['unit'])}"
                href = self._url(f"/city/things/{one['id']}")
                drawn.append({"x": x, "y": y, "kind": one["kind"], "name": told, "href": href})
        under = Markup("") if ground is None else draw.ground(frame, ground)
        return draw.places(frame, drawn, under, title)
