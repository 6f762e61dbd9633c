"""What values mean by guidelines that have a name: who says so, and where it is written."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from madang.web.dashboards.tiles import Band, Words


class Guideline(BaseModel):
    """One guideline, for one quantity in one unit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    types: tuple[str, ...]
    attributes: tuple[str, ...]
    unit: str
    """UN/CEFACT code; values in another unit are not judged."""
    title: Words
    source: str
    url: str
    bands: Annotated[tuple[Band, ...], Field(min_length=1)]
    limit: float | None = None
    """The value that is recommended or allowed, where there is just one."""
    over: Literal["now", "day"] = "now"
    """Which value it is for: the present one, or the mean of a day."""

    def judge(self, value: float) -> dict[str, Any]:
        """Return what a value means, as JSON."""
        band = band_of(self.bands, value)
        return {
            "guideline": self.name,
            "title": self.title.model_dump(),
            "source": self.source,
            "url": self.url,
            "over": self.over,
            "value": value,
            "limit": self.limit,
            "kind": band.kind,
            "grade": None if band.title is None else band.title.model_dump(),
        }


def band_of(bands: Sequence[Band], value: float) -> Band:
    """Return the band that a value lies in; above the last limit, the last one."""
    return next((one for one in bands if one.upto is None or value <= one.upto), bands[-1])


@cache
def guidelines() -> tuple[Guideline, ...]:
    """Return all that are known."""
    text = files("madang.web.dashboards").joinpath("guidelines.toml").read_text("utf-8")
    return tuple(Guideline.model_validate(one) for one in tomllib.loads(text)["guidelines"])


def applying(type: str, attribute: str, unit: str | None) -> list[Guideline]:
    """Return the guidelines for the values of an attribute of entities of a type."""
    return [
        one
        for one in guidelines()
        if type in one.types and attribute in one.attributes and unit == one.unit
    ]
