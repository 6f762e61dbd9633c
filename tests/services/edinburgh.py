"""Where the recorded litter bins of Edinburgh stand: their streets, for the records give no place.

Ends of streets are from OpenStreetMap (© OpenStreetMap contributors, ODbL), save the last ones,
which were read from a map by hand. A bin stands somewhere on its street: the bins of a street are
spread along it evenly, so a place is right to about the length of a street.
"""

from __future__ import annotations

import re
from datetime import date
from itertools import pairwise
from math import inf
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import polars as pl

from madang.services.played import Played
from madang.services.waste.service import service

STREETS: dict[str, tuple[float, float, float, float]] = {
    "atholl crescent": (-3.2109, 55.9489, -3.2132, 55.9479),
    "broughton road": (-3.1962, 55.9627, -3.1891, 55.9662),
    "broughton street": (-3.1908, 55.9592, -3.1878, 55.9567),
    "calton hill": (-3.1853, 55.954, -3.1872, 55.9544),
    "calton road": (-3.1833, 55.9528, -3.1872, 55.9544),
    "canongate": (-3.1838, 55.9507, -3.1747, 55.9527),
    "castle street": (-3.2031, 55.9517, -3.2035, 55.9524),
    "castlehill": (-3.1944, 55.949, -3.1964, 55.9488),
    "cathedral lane": (-3.1876, 55.9565, -3.1887, 55.9558),
    "chambers street": (-3.1913, 55.9471, -3.1886, 55.9477),
    "charlotte square": (-3.2068, 55.9513, -3.2083, 55.951),
    "clifton terrace": (-3.217, 55.9461, -3.2173, 55.946),
    "coates crescent": (-3.2133, 55.9479, -3.2109, 55.9489),
    "connaught place": (-3.1915, 55.9722, -3.1931, 55.9709),
    "duke street": (-3.1704, 55.9702, -3.1674, 55.9689),
    "duncan place": (-3.1682, 55.9693, -3.1671, 55.9719),
    "east hermitage place": (-3.1637, 55.9694, -3.1601, 55.9698),
    "east market street": (-3.1867, 55.9514, -3.1845, 55.9515),
    "elm row": (-3.1831, 55.9592, -3.1843, 55.958),
    "frederick street": (-3.1995, 55.9516, -3.2003, 55.9529),
    "gayfield square": (-3.1848, 55.9583, -3.1844, 55.9587),
    "george iv bridge": (-3.192, 55.9482, -3.1927, 55.9494),
    "george street": (-3.2036, 55.9524, -3.2066, 55.9519),
    "grassmarket": (-3.1944, 55.948, -3.1979, 55.9471),
    "greyfriars place": (-3.191, 55.9463, -3.1911, 55.9468),
    "hanover street": (-3.198, 55.9549, -3.1973, 55.9536),
    "haymarket terrace": (-3.2234, 55.946, -3.2215, 55.9459),
    "hermitage place": (-3.1659, 55.9691, -3.1637, 55.9694),
    "hunter square": (-3.1873, 55.9497, -3.1878, 55.9496),
    "lady stair's close": (-3.1937, 55.9498, -3.1936, 55.9495),
    "leith street": (-3.1886, 55.9536, -3.1873, 55.9545),
    "leith walk": (-3.1843, 55.9586, -3.1723, 55.9699),
    "links place": (-3.1629, 55.9723, -3.1655, 55.9732),
    "market street": (-3.1914, 55.9509, -3.1876, 55.9514),
    "mcdonald road": (-3.1871, 55.9651, -3.1811, 55.9615),
    "mound place": (-3.1948, 55.9501, -3.1961, 55.9495),
    "newkirkgate": (-3.1721, 55.9706, -3.1712, 55.972),
    "nicolson street": (-3.1835, 55.9438, -3.1842, 55.9451),
    "north bridge": (-3.1888, 55.9527, -3.188, 55.9512),
    "north st andrew street": (-3.1927, 55.9555, -3.1924, 55.9549),
    "picardy place": (-3.1852, 55.9573, -3.1861, 55.9568),
    "princes street": (-3.1995, 55.9515, -3.2059, 55.9504),
    "queensferry street": (-3.2096, 55.9508, -3.2085, 55.9503),
    "ramsay lane": (-3.1961, 55.9495, -3.1958, 55.9489),
    "regent road": (-3.1853, 55.954, -3.1741, 55.9553),
    "rose street": (-3.1969, 55.9528, -3.2063, 55.9512),
    "seafield place": (-3.1522, 55.9703, -3.152, 55.9709),
    "seafield street": (-3.1448, 55.9695, -3.1462, 55.9684),
    "shandwick place": (-3.2133, 55.9479, -3.2109, 55.9489),
    "south bridge": (-3.1873, 55.9497, -3.1869, 55.9488),
    "south st andrew street": (-3.1918, 55.9538, -3.1915, 55.9533),
    "south st david street": (-3.1936, 55.9531, -3.1934, 55.9526),
    "st andrew square": (-3.1918, 55.9538, -3.1938, 55.9535),
    "the mound": (-3.1948, 55.9501, -3.1964, 55.9512),
    "waterloo place": (-3.1871, 55.9537, -3.1853, 55.954),
    "waverley bridge": (-3.1914, 55.9511, -3.1916, 55.9516),
    "west bow": (-3.1943, 55.9479, -3.1942, 55.9485),
    "west maitland street": (-3.2166, 55.9464, -3.2151, 55.947),
    "west port": (-3.201, 55.9461, -3.1976, 55.9469),
    "york place": (-3.1907, 55.9561, -3.1933, 55.9557),
    "festival square": (-3.2072, 55.9468, -3.2062, 55.9471),
    "high street": (-3.193, 55.9494, -3.1845, 55.9506),
    "leith links": (-3.166, 55.9707, -3.156, 55.9702),
    "princes street gardens east": (-3.194, 55.9518, -3.193, 55.9521),
    "princes street gardens west": (-3.206, 55.9496, -3.1975, 55.951),
    "promenade": (-3.118, 55.957, -3.097, 55.95),
    "restalrig railway path": (-3.163, 55.966, -3.15, 55.9665),
    "seafield road": (-3.143, 55.967, -3.142, 55.9665),
    "st mark's place": (-3.1935, 55.9668, -3.1925, 55.9672),
    "victoria street": (-3.1933, 55.9487, -3.1945, 55.9482),
}
"""Longitude and latitude of both ends, by name in lower case. [degree]"""

SAME = {
    "albert place": "leith walk",
    "antigua street": "leith walk",
    "atholl cresent": "atholl crescent",
    "brunswick place": "leith walk",
    "crighton place": "leith walk",
    "gayfield place": "leith walk",
    "gayfield square park": "gayfield square",
    "haddington place": "leith walk",
    "hunters square": "hunter square",
    "promanade": "promenade",
}
"""Parts of streets, and ways to write them."""

DEPOT = (-3.137, 55.964)
"""At Seafield. Which depot served these bins is not recorded. [degree]"""


def street(address: str) -> str:
    """Return the street of an address, such as ``10 Castle Street``."""
    name = re.sub(r"^\d+\s+", "", address).lower()
    return SAME.get(name, name)


def places(sites: list[tuple[int, str]]) -> dict[int, tuple[float, float]]:
    """Return longitude and latitude by site, from sites and their addresses. [degree]"""
    along: dict[str, list[int]] = {}
    for site, address in sorted(sites):
        along.setdefault(street(address), []).append(site)
    found: dict[int, tuple[float, float]] = {}
    for name, there in along.items():
        lon, lat, lon2, lat2 = STREETS[name]
        for place, site in enumerate(there):
            share = (place + 0.5) / len(there)
            found[site] = (lon + share * (lon2 - lon), lat + share * (lat2 - lat))
    return found


# --- what happened, and what would have happened with other rounds -------------------------------

HOUR = 3600
SAME_VISIT = 2 * HOUR  # records closer than this are of one visit [s]


class Bin(NamedTuple):
    """A litter bin as it was recorded."""

    site: int
    name: str
    place: tuple[float, float]
    litres: float
    visits: list[tuple[float, float]]
    """When it was emptied [s since 1970], and how full it was just before. [1]"""


def bins(path: Path, fewest: int = 8) -> list[Bin]:
    """Return the bins that were emptied often enough to tell how they fill."""
    frame = pl.read_csv(path, try_parse_dates=True).sort("collected_at_local")
    local = frame["collected_at_local"].dt.replace_time_zone("Europe/London", ambiguous="earliest")
    frame = frame.with_columns(at=local.dt.epoch("s"))
    first = frame.unique("site_id", keep="first")
    where = places(list(first.select("site_id", "address").iter_rows()))
    found = []
    for (site,), rows in sorted(frame.group_by("site_id"), key=lambda one: one[0]):
        visits: list[tuple[float, float]] = []
        for at, level in zip(rows["at"], rows["fill_before_pct"] / 100, strict=True):
            if visits and at - visits[-1][0] < SAME_VISIT:
                visits[-1] = (visits[-1][0], max(visits[-1][1], level))
            else:
                visits.append((at, level))
        if len(visits) >= fewest:
            known = rows.filter(pl.col("fill_before_pct") > 20)
            whole = (known["volume_l"] / known["fill_before_pct"] * 100).to_list()
            name = str(rows["site_name"][0])
            litres = median(whole) if whole else 240.0
            found.append(Bin(int(str(site)), name, where[int(str(site))], litres, visits))
    return found


def inflow(one: Bin) -> list[tuple[float, float, float]]:
    """Return how fast a bin filled between visits: from, until [s since 1970], and rate. [1/s]

    A bin that was found full may have been so for long: then at least its usual rate counts.
    """
    spans = [(a, b, level) for (a, _), (b, level) in pairwise(one.visits)]
    usual = median(level / (b - a) for a, b, level in spans)
    return [(a, b, max(level / (b - a), usual if level >= 1 else 0)) for a, b, level in spans]


class Filled:
    """A bin that fills as recorded and is emptied as somebody else wants."""

    def __init__(self, one: Bin) -> None:
        self.bin = one
        self.level = 0.0
        self.full_s = 0.0
        self.spilt = 0.0
        """Over the brim. [l]"""
        self.visits = 0
        self._spans = inflow(one)
        self._at = one.visits[0][0]

    def until(self, at: float) -> None:
        """Let it fill up to a time. [s since 1970]"""
        for start, end, rate in self._spans:
            first, last = max(start, self._at), min(end, at)
            if last > first:
                self._rise(rate, last - first)
        self._at = max(self._at, at)

    def _rise(self, rate: float, seconds: float) -> None:
        free_s = (1 - self.level) / rate if rate > 0 and self.level < 1 else inf
        if self.level >= 1:
            free_s = 0.0
        if free_s < seconds:
            self.full_s += seconds - free_s
            self.spilt += rate * (seconds - free_s) * self.bin.litres
        self.level += rate * seconds

    def empty(self, at: float) -> float:
        """Empty it; return how full it was."""
        self.until(at)
        level, self.level = min(self.level, 1.0), 0.0
        self.visits += 1
        return level


class Outcome(NamedTuple):
    """What rounds came to."""

    km: float
    visits: int
    full_share: float
    """Of the time of all bins in which they were full. [1]"""
    spilt: float
    """What did not fit any more. [l]"""


OPTIONS: dict[str, Any] = {
    "time_zone": "Europe/London", "depot": DEPOT, "full": 1.0, "vehicles": 3, "stop_minutes": 1.5,
    "vehicle_litres": 20_000, "shift": (6, 14), "fixed_days": 2,
}  # fmt: skip
WARM_UP_DAYS = 7


async def forecast_rounds(
    found: list[Bin], days: int, every_h: int = 2, **options: Any
) -> tuple[Outcome, Played]:
    """Let the service empty bins for some days, after a week of fixed rounds to learn from.

    Args:
        found: the bins.
        days: that count, after the week.
        every_h: so often they tell their level.
        **options: of the service.
    """
    start = _start(found)
    played = Played(service, start * 1_000_000, **{**OPTIONS, **options})
    filled = {f"urn:ngsi-ld:WasteContainer:{one.site}": Filled(one) for one in found}
    begin, end = start + WARM_UP_DAYS * 24 * HOUR, start + (WARM_UP_DAYS + days) * 24 * HOUR
    due: list[tuple[float, str]] = []
    km, old = 0.0, dict.fromkeys(filled, (0.0, 0.0, 0))
    for at in range(start, end, HOUR):
        await played.until(at * 1_000_000)
        hours = (at - start) // HOUR
        if at == begin:
            old = {id: (one.full_s, one.spilt, one.visits) for id, one in filled.items()}
        if hours % 24 == 5:  # rounds were made an hour ago
            if at < begin:
                ids = list(filled) if hours // 24 % 2 == 0 else []
                due = [(at + 4 * HOUR, id) for id in ids]
            else:
                due, length = _today(played, at)
                km += length
        for when, id in [one for one in due if one[0] < at + HOUR]:
            filled[id].empty(when)
        due = [one for one in due if one[0] >= at + HOUR]
        if hours % every_h == 0:
            for id, one in filled.items():
                one.until(at)
                more = described(one.bin) if hours == 0 else {}
                level = round(min(one.level, 1.0), 2)
                await played.put(at * 1_000_000, id, "WasteContainer", fillingLevel=level, **more)
    return _outcome(km, filled, old, end, days), played


def _start(found: list[Bin]) -> int:
    """Return a midnight in London when all bins are known. [s since 1970]"""
    first = max(sorted(one.visits[0][0] for one in found)[: len(found) * 9 // 10])
    return int(first // 86_400 + 1) * 86_400 - HOUR


def described(one: Bin) -> dict[str, Any]:
    """Return what a bin tells of itself."""
    location = {"type": "Point", "coordinates": list(one.place)}
    return {
        "name": one.name,
        "binCapacity": round(one.litres),
        "location": {"type": "GeoProperty", "value": location},
    }


def _today(played: Played, at: int) -> tuple[list[tuple[float, str]], float]:
    """Return when each bin is reached today, and how far vehicles drive. [s since 1970, km]"""
    midnight = at - (at + HOUR) % 86_400  # in summer time
    due, km = [], 0.0
    day = date.fromtimestamp(midnight + 12 * HOUR)
    for route in played.things("Route"):
        if f":{day}:" in route.id:
            km += route["length"]
            for stop in route["stops"]:
                hour, minute = map(int, stop["at"].split(":"))
                due.append((midnight + hour * HOUR + minute * 60.0, stop["container"]))
    return sorted(due), km


def fixed_rounds(found: list[Bin], days: int, every: int, km_a_day: float) -> Outcome:
    """Empty all bins at nine o'clock every so many days; the week before as well."""
    start = _start(found)
    filled = {str(one.site): Filled(one) for one in found}
    old: dict[str, tuple[float, float, int]] = {}
    for number in range(WARM_UP_DAYS + days):
        if number == WARM_UP_DAYS:
            for one in filled.values():
                one.until(start + number * 86_400)
            old = {id: (one.full_s, one.spilt, one.visits) for id, one in filled.items()}
        period = 2 if number < WARM_UP_DAYS else every
        offset = 0 if number < WARM_UP_DAYS else WARM_UP_DAYS
        if (number - offset) % period == 0:
            for one in filled.values():
                one.empty(start + number * 86_400 + 9 * HOUR)
    end = start + (WARM_UP_DAYS + days) * 86_400
    return _outcome(km_a_day * days, filled, old, end, days)


def _outcome(
    km: float, filled: dict[str, Filled], old: dict[str, tuple[float, float, int]], end: int,
    days: int,
) -> Outcome:  # fmt: skip
    full = spilt = visits = 0.0
    for id, one in filled.items():
        one.until(end)
        full += one.full_s - old[id][0]
        spilt += one.spilt - old[id][1]
        visits += one.visits - old[id][2]
    return Outcome(km, int(visits), full / (days * 86_400 * len(filled)), spilt)
