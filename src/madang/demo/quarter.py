"""The quarter that stands still: districts, streets, buildings, parks. All names are made up."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Final, Literal, NamedTuple

from madang.demo import ground
from madang.demo.ground import COLUMNS, HEIGHT, ROWS, SIDE, WIDTH, Plan
from madang.demo.told import Entity, entity, value, where, words

Use = Literal["centre", "homes", "houses", "school", "park"]

STEMS: Final = (
    ("마당", "Madang"), ("한울", "Hanul"), ("솔빛", "Solbit"), ("나루", "Naru"), ("다솜", "Dasom"),
    ("가람", "Garam"), ("미르", "Mireu"), ("누리", "Nuri"), ("아라", "Ara"), ("온새", "Onsae"),
    ("별하", "Byeolha"),
)  # fmt: skip
"""Of avenues: first those that run north, from the west on, then those that run east."""
_DISTRICTS: Final = (
    ("나루동", "Naru-dong"), ("마당동", "Madang-dong"), ("다솜동", "Dasom-dong"),
    ("솔빛동", "Solbit-dong"), ("한울동", "Hanul-dong"), ("가람동", "Garam-dong"),
)  # fmt: skip
_CUTS: Final = (0, 2, 3, 5)  # columns of large blocks between which districts end
_AVENUE, _STREET = 16.0, 9.0  # from the middle of the road to the first building [m]
_FLOOR: Final = 3.0  # [m]


class Street(NamedTuple):
    """A stretch of street between two crossings."""

    name: tuple[str, str]
    kind: str
    """``primary``, ``secondary`` or ``residential``."""
    corners: tuple[Plan, Plan]


class Block(NamedTuple):
    """What streets enclose. [m]"""

    u0: float
    v0: float
    u1: float
    v1: float
    use: Use

    @property
    def middle(self) -> Plan:
        return (self.u0 + self.u1) / 2, (self.v0 + self.v1) / 2


# --- districts ------------------------------------------------------------------------------------


def _edge(index: int, count: int) -> float:
    return (index - count / 2) * SIDE


def district(at: Plan) -> int:
    """Return the number of the district that a place is in."""
    column = sum(at[0] >= _edge(cut, COLUMNS) for cut in _CUTS[1:-1])
    return column + (3 if at[1] >= 0 else 0)


def district_name(at: Plan) -> Entity:
    """Return the name of the district that a place is in, as an attribute."""
    return words(*_DISTRICTS[district(at)])


def districts() -> list[Entity]:
    found = []
    for number, (korean, english) in enumerate(_DISTRICTS):
        column, row = number % 3, number // 3
        west, east = (_edge(_CUTS[column + one], COLUMNS) for one in (0, 1))
        south, north = _edge(2 * row, ROWS), _edge(2 * row + 2, ROWS)
        found.append(
            entity(
                "District", number + 1,
                name=words(korean, english),
                location=where(ground.area(west, south, east, north)),
                population=value(9_000 + 1_700 * ((number * 5) % 6), "C62"),
            )
        )  # fmt: skip
    return found


# --- streets --------------------------------------------------------------------------------------


def streets() -> list[Street]:
    """Return avenues around large blocks, streets through them, and lanes among houses."""
    return [*_through(COLUMNS, ROWS, False), *_through(ROWS, COLUMNS, True)]


def _through(across: int, along: int, eastward: bool) -> Iterator[Street]:
    """Yield the streets of one direction, cut at the avenues of the other."""
    first = COLUMNS + 1 if eastward else 0
    for third in range(3 * across + 1):
        avenue, rest = divmod(third, 3)
        korean, english = STEMS[first + avenue]
        at = _edge(0, across) + third * SIDE / 3
        for part in range(along):
            ends = _edge(part, along), _edge(part + 1, along)
            corners = [(end, at) if eastward else (at, end) for end in ends]
            if rest:
                number = 2 * part + rest
                name = f"{korean}로{number}길", f"{english}-ro {number}-gil"
            else:
                name = f"{korean}대로", f"{english}-daero"
            kind = "secondary" if rest else "primary"
            yield Street(name, kind, (corners[0], corners[1]))


def lanes(blocks: list[Block]) -> list[Street]:
    """Return the lane through each block of houses."""
    found = []
    for number, block in enumerate(one for one in blocks if one.use == "houses"):
        korean, english = STEMS[number % len(STEMS)]
        v = block.middle[1]
        name = f"{korean}골목 {number + 1}", f"{english} alley {number + 1}"
        corners = ((block.u0 - _STREET, v), (block.u1 + _STREET, v))
        found.append(Street(name, "residential", corners))
    return found


_LANES: Final = {"primary": 6, "secondary": 2, "residential": 1}
_LIMITS: Final = {"primary": 50, "secondary": 30, "residential": 20}


def road(number: int, street: Street) -> Entity:
    """Return a stretch of street as a RoadSegment."""
    start, end = street.corners
    return entity(
        "RoadSegment", f"{number:03d}",
        name=words(*street.name),
        roadClass=street.kind,
        location=where(ground.line(street.corners)),
        startPoint=where(ground.point(start)),
        endPoint=where(ground.point(end)),
        length=value(round(ground.metres(start, end), 1), "MTR"),
        totalLaneNumber=_LANES[street.kind],
        maximumAllowedSpeed=value(_LIMITS[street.kind], "KMH"),
        areaServed=district_name(((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)),
    )  # fmt: skip


# --- blocks and what stands on them ---------------------------------------------------------------


def blocks(random: Random) -> list[Block]:
    found = []
    for row in range(3 * ROWS):
        for column in range(3 * COLUMNS):
            u0, v0 = -WIDTH / 2 + column * SIDE / 3, -HEIGHT / 2 + row * SIDE / 3
            low_u = _AVENUE if column % 3 == 0 else _STREET
            high_u = _AVENUE if column % 3 == 2 else _STREET
            low_v = _AVENUE if row % 3 == 0 else _STREET
            high_v = _AVENUE if row % 3 == 2 else _STREET
            far = abs(column - 7) / 7 + abs(row - 5.5) / 6
            found.append(
                Block(
                    u0 + low_u, v0 + low_v, u0 + SIDE / 3 - high_u, v0 + SIDE / 3 - high_v,
                    _use(far, random),
                )
            )  # fmt: skip
    return found


def _use(far: float, random: Random) -> Use:
    draw = random.random()
    if far < 0.5:
        return "park" if draw < 0.06 else "centre"
    shares: tuple[tuple[Use, float], ...] = (
        ("park", 0.08), ("school", 0.13), ("centre", 0.17), ("houses", 0.46),
    )  # fmt: skip
    return next((use for use, upto in shares if draw < upto), "homes")


class Site(NamedTuple):
    """A building: its ground plan and how high it is. [m]"""

    u0: float
    v0: float
    u1: float
    v1: float
    floors: int
    category: str
    name: tuple[str, str] | None


def sites(block: Block, number: int, random: Random) -> Iterator[Site]:
    """Yield the buildings of a block."""
    korean, english = STEMS[number % len(STEMS)]
    if block.use == "centre":
        near = 1.0 - min(1.0, (abs(block.middle[0]) / 900 + abs(block.middle[1]) / 700) / 2)
        for place, lot in enumerate(_lots(block, 4, 3)):
            if random.random() < 0.12:
                continue
            floors = random.randint(4, 12) + int(random.random() ** 3 * 30 * near)
            kind = "office" if floors > 10 else random.choice(("commercial", "retail"))
            name = f"{korean}빌딩 {number}-{place + 1}", f"{english} Building {number}-{place + 1}"
            yield _within(lot, random.uniform(3, 7), floors, kind, name)
    elif block.use == "homes":
        floors = random.choice((12, 15, 15, 20, 25))
        for place, lot in enumerate(_lots(block, 2, 4)):
            u0, v0, u1, _ = lot
            name = (
                f"{korean}마을 {100 + number}동 {place + 1}호",
                f"{english} Village {100 + number}-{place + 1}",
            )
            slab = (u0 + 6, v0 + 12, u1 - 6, v0 + 25)
            yield Site(*slab, floors + random.randint(-2, 2), "apartments", name)
    elif block.use == "houses":
        half = (block.v0 + block.v1) / 2
        for low, high in ((block.v0, half - 5), (half + 5, block.v1)):
            part = block._replace(v0=low, v1=high)
            for lot in _lots(part, 4, 2):
                if random.random() > 0.08:
                    yield _within(lot, random.uniform(3, 6), random.randint(2, 5), "house", None)
    elif block.use == "school":
        name = f"{korean}초등학교", f"{english} Elementary School"
        top = block.v1 - 8
        yield Site(block.u0 + 15, top - 22, block.u1 - 15, top, 4, "school", name)
        yield Site(block.u0 + 15, top - 62, block.u0 + 37, top - 26, 3, "school", name)


def _lots(block: Block, across: int, deep: int) -> Iterator[tuple[float, float, float, float]]:
    wide, high = (block.u1 - block.u0) / across, (block.v1 - block.v0) / deep
    for row in range(deep):
        for column in range(across):
            u0, v0 = block.u0 + column * wide, block.v0 + row * high
            yield u0, v0, u0 + wide, v0 + high


def _within(
    lot: tuple[float, float, float, float],
    margin: float,
    floors: int,
    category: str,
    name: tuple[str, str] | None,
) -> Site:
    u0, v0, u1, v1 = lot
    return Site(u0 + margin, v0 + margin, u1 - margin, v1 - margin, floors, category, name)


def building(number: int, site: Site) -> Entity:
    named = {} if site.name is None else {"name": words(*site.name)}
    middle = (site.u0 + site.u1) / 2, (site.v0 + site.v1) / 2
    return entity(
        "Building", f"{number:04d}",
        **named,
        category=[site.category],
        location=where(ground.area(site.u0, site.v0, site.u1, site.v1)),
        floorsAboveGround=site.floors,
        height=value(round(site.floors * _FLOOR, 1), "MTR"),
        areaServed=district_name(middle),
    )  # fmt: skip


def park(number: int, block: Block) -> Entity:
    korean, english = STEMS[number % len(STEMS)]
    name = words(f"{korean}공원", f"{english} Park")
    if number >= len(STEMS):
        name = words(f"{korean} 어린이공원", f"{english} Children's Park")
    return entity(
        "Park", number + 1,
        name=name,
        location=where(ground.area(block.u0, block.v0, block.u1, block.v1)),
        areaServed=district_name(block.middle),
    )  # fmt: skip


class Quarter(NamedTuple):
    """All of it."""

    blocks: list[Block]
    streets: list[Street]
    entities: list[Entity]


def quarter(seed: int) -> Quarter:
    """Draw the quarter; the same seed draws the same."""
    random = Random(seed)
    ground_plan = blocks(random)
    all_streets = [*streets(), *lanes(ground_plan)]
    buildings = [
        site for number, block in enumerate(ground_plan, 1) for site in sites(block, number, random)
    ]
    parks = [block for block in ground_plan if block.use == "park"]
    entities = [
        *districts(),
        *(road(number, one) for number, one in enumerate(all_streets, 1)),
        *(park(number, one) for number, one in enumerate(parks)),
        *(building(number, one) for number, one in enumerate(buildings, 1)),
    ]
    return Quarter(ground_plan, all_streets, entities)
