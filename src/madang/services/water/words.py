"""What people read about leaks, in English and Korean."""

from __future__ import annotations

from datetime import datetime

from madang.services.city import Thing
from madang.services.service import Text


def _name(thing: Thing) -> str:
    name = thing["name"]
    return name if isinstance(name, str) else thing.id.rpartition(":")[2]


def title(district: Thing) -> Text:
    """Return a few words on a leak in a district."""
    name = _name(district)
    return Text(f"Water leak in {name}", f"{name} 상수도 누수")


def found(
    district: Thing, size: float, start: datetime, junction: str | None, within: float
) -> Text:
    """Return what is known of a new leak.

    Args:
        district: in which it is.
        size: m3/h.
        start: by the clock of the city.
        junction: id of the nearest; None if the network is not known.
        within: radius in which it probably lies. [m]
    """
    name, when = _name(district), f"{start:%Y-%m-%d %H:%M}"
    en = f"{name} loses about {size:.1f} m³/h more than usual since about {when}"
    ko = f"{name}에서 {when}경부터 평소보다 시간당 약 {size:.1f} m³가 더 새고 있습니다."
    if junction is None:
        return Text(f"{en}. Look along its mains.", f"{ko} 관로를 점검하십시오.")
    near = junction.rpartition(":")[2]
    return Text(
        f"{en}. Look near junction {near}, probably within {within:.0f} m of it.",
        f"{ko} {near} 분기점 부근(반경 약 {within:.0f} m)을 점검하십시오.",
    )
