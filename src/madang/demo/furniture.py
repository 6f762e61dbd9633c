"""What stands along the streets of the demo city and changes: parking, waste, street lights."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from madang.demo import ground
from madang.demo.ground import SIDE, Plan
from madang.demo.quantities import Quantity, hour_of
from madang.demo.quarter import Street, district_name
from madang.demo.sensors import beside
from madang.demo.told import Entity, entity, link, stamp, value, where, words

ZONES: Final = 14
SPOTS: Final = 10  # of a zone
CONTAINERS: Final = 60
_LIGHTS_EACH: Final = 7  # of a stretch of avenue
RATED_W: Final = 90.0
OCCUPIED: Final = Quantity("occupied", None, 0.55, 0.3, 0.05, 0, 1, 14, 3)
"""Share of the spots that are taken."""
_WIDE, _LONG = 2.3, 6.0  # of a spot [m]


# --- parking --------------------------------------------------------------------------------------


@dataclass(slots=True)
class Spot:
    """A parking spot along a street."""

    entity: Entity
    taken: bool


@dataclass(frozen=True, slots=True)
class Zone:
    """A block of a street with its spots."""

    entity: Entity
    spots: list[Spot]
    busier: float
    """Than others, as a share."""


def zones(streets: list[Street], random: Random) -> list[Zone]:
    """Return zones on streets that are no avenues."""
    chosen = random.sample([one for one in streets if one.kind == "secondary"], ZONES)
    return [_zone(number, street, random) for number, street in enumerate(chosen, 1)]


def _zone(number: int, street: Street, random: Random) -> Zone:
    (u0, v0), (u1, _) = street.corners
    eastward, start = u0 != u1, random.uniform(60, 380)
    korean, english = street.name

    def box(first: float, last: float) -> dict[str, Any]:
        if eastward:
            return ground.area(u0 + first, v0 + 3.5, u0 + last, v0 + 3.5 + _WIDE)
        return ground.area(u0 + 3.5, v0 + first, u0 + 3.5 + _WIDE, v0 + last)

    middle: Plan = (u0 + start, v0) if eastward else (u0, v0 + start)
    key = f"{number:02d}"
    made = entity(
        "OnStreetParking", key,
        name=words(f"{korean} 노상주차장", f"{english} kerbside parking"),
        category=["public", "forDisabled"] if number % 4 == 0 else ["public"],
        location=where(box(start, start + SPOTS * _LONG)),
        totalSpotNumber=value(SPOTS, "C62"),
        areaServed=district_name(middle),
        status="open",
    )  # fmt: skip
    spots = [
        Spot(
            entity(
                "ParkingSpot", f"{key}-{place + 1:02d}",
                name=words(f"{korean} 주차면 {place + 1}", f"{english} spot {place + 1}"),
                category=["onStreet"],
                location=where(box(start + place * _LONG + 0.3, start + (place + 1) * _LONG - 0.3)),
                refParkingSite=link(made["id"]),
            ),
            random.random() < OCCUPIED.mean,
        )
        for place in range(SPOTS)
    ]  # fmt: skip
    return Zone(made, spots, random.uniform(-0.25, 0.25))


def wanted(zone: Zone, at: datetime) -> float:
    """Return the share of spots that is usually taken at a time."""
    return min(1.0, max(0.0, OCCUPIED.expected(hour_of(at)) + zone.busier))


def parked(spot: Spot, at: datetime) -> Entity:
    """Return whether a spot is taken, as an entity with nothing else."""
    status = "occupied" if spot.taken else "free"
    own = spot.entity
    return {"id": own["id"], "type": own["type"], "status": value(status, None, at)}


def moved(all_zones: list[Zone], at: datetime, random: Random) -> list[Entity]:
    """Let cars come and go; return the spots that have changed."""
    found = []
    for zone in all_zones:
        share = wanted(zone, at)
        for spot in zone.spots:
            if random.random() < 0.02 and spot.taken != (random.random() < share):
                spot.taken = not spot.taken
                found.append(parked(spot, at))
    return found


# --- waste ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Container:
    """A waste container, which fills evenly and is emptied when it is nearly full."""

    entity: Entity
    days: float
    """In which it fills."""
    start: float
    """How full it was at the beginning of 1970. [1]"""

    def level(self, at: datetime) -> float:
        """Return how full it is. [1]"""
        turn = (self.start + at.timestamp() / 86_400 / self.days) % 1.0
        return round(0.05 + 0.88 * turn, 2)

    def told(self, at: datetime) -> Entity:
        own = self.entity
        level = self.level(at)
        return {
            "id": own["id"], "type": own["type"],
            "fillingLevel": value(level, "C62", at),
            "status": value("ok" if level < 0.8 else "almostFull", None, at),
            "dateLastEmptying": value({"@type": "DateTime", "@value": stamp(self._emptied(at))}),
        }  # fmt: skip

    def _emptied(self, at: datetime) -> datetime:
        turn = (self.start + at.timestamp() / 86_400 / self.days) % 1.0
        return (at - timedelta(days=turn * self.days)).replace(microsecond=0, second=0)


def containers(streets: list[Street], random: Random) -> list[Container]:
    found = []
    kinds = ("paper", "plastics", "glass", "organic", "other")
    for number in range(1, CONTAINERS + 1):
        street = random.choice(streets)
        at, kind = beside(street, random, 7.0), kinds[number % len(kinds)]
        korean, english = street.name
        made = entity(
            "WasteContainer", f"{number:03d}",
            name=words(f"{korean} 수거함 {number}", f"{english} container {number}"),
            location=where(ground.point(at)),
            storedWasteKind=[kind],
            binCapacity=value(1100, "LTR"),
            areaServed=district_name(at),
        )  # fmt: skip
        found.append(Container(made, random.uniform(1.2, 4.5), random.random()))
    return found


# --- street lights --------------------------------------------------------------------------------


def lamp(number: int) -> str:
    """Return the name of the device that controls a light; its profile makes the light's id."""
    return f"demo-lamp-{number:02d}"


def lights(streets: list[Street], random: Random) -> list[Entity]:
    """Return street lights along two avenues that cross in the middle, evenly apart."""
    found: list[Entity] = []
    for street in _lit(streets):
        (u0, v0), (u1, _) = street.corners
        for nth in range(_LIGHTS_EACH):
            number = len(found) + 1
            along, side = 45 + nth * 92.0, 10.0 if nth % 2 else -10.0
            at: Plan = (u0 + along, v0 + side) if u0 != u1 else (u0 + side, v0 + along)
            korean, english = street.name
            made = entity(
                "Streetlight", number,
                name=words(f"{korean} 가로등 {number}", f"{english} street light {number}"),
                location=where(ground.point(at)),
                powerRating=value(RATED_W, "WTT"),
                lanternHeight=value(round(8 + random.random(), 1), "MTR"),
                areaServed=district_name(at),
                refDevice=link(f"urn:ngsi-ld:Device:{lamp(number)}"),
            )  # fmt: skip
            found.append(made | {"id": f"urn:ngsi-ld:Streetlight:{lamp(number)}"})
    return found


def _lit(streets: list[Street]) -> list[Street]:
    """Return the stretches of the avenue west of the middle, and three of that through it."""
    primary = [one for one in streets if one.kind == "primary"]
    north = [one for one in primary if one.corners[0][0] == one.corners[1][0] == -SIDE / 2]
    east = [one for one in primary if one.corners[0][1] == one.corners[1][1] == 0.0]
    return [*north, *east[1:4]]


CABINET: Final = "StreetlightControlCabinet"


def cabinets() -> list[Entity]:
    """Return the cabinets that a whole street is switched by; their profile makes their ids."""
    found: list[Entity] = []
    names = (("한울대로", "Hanul-daero"), ("누리대로", "Nuri-daero"))
    for number, (korean, english) in enumerate(names, 1):
        name = f"demo-cabinet-{number}"
        made = entity(
            CABINET, number,
            name=words(f"{korean} 가로등 분전함", f"{english} light cabinet"),
            location=where(ground.point((-SIDE / 2 - 12, 20.0 if number == 1 else 420.0))),
            powerState="on",
            refDevice=link(f"urn:ngsi-ld:Device:{name}"),
        )  # fmt: skip
        found.append(made | {"id": f"urn:ngsi-ld:{CABINET}:{name}"})
    return found
