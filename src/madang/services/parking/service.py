"""Smart parking: occupancy by zone, a price that keeps places free, and the way to the next zone.

A zone is a block of a street (``OnStreetParking``) or a car park (``OffStreetParking``). It is
counted by its ``ParkingSpot``s, or counts itself. Prices follow
:mod:`madang.services.parking.sfpark`.
"""

from __future__ import annotations

from typing import Any, TypedDict

import orjson
import shapely

from madang.model.names import is_uri
from madang.query import distance
from madang.services.city import Change, City, Thing
from madang.services.parking import sfpark
from madang.services.parking import sign as parking_sign
from madang.services.parking.sfpark import GOAL, HOUR, Band, Prices
from madang.services.service import Indicator, Service, Text

ENOUGH = 0.5  # of the time of a band in a period; less tells too little to set a price by
AVAILABLE, OCCUPIED, SPOTS = 1, 2, 3  # what counts a zone; of several, the highest
PRICE = "pricePerHour"
USED = ("available", "occupied", "totalSpot", PRICE, "status", "location", "name")  # beginnings
IN_GOAL = Text("Time at 60-80 % occupancy", "점유율 60~80 % 시간")

service = Service(
    "parking",
    title=Text("Smart parking", "스마트 주차"),
    purpose=Text(
        "Shows drivers where places are free, and sets prices by which some always are.",
        "빈자리를 안내하고, 늘 빈자리가 남도록 요금을 조정합니다.",
    ),
    category="transport",
    needs=["ParkingSpot", "OnStreetParking", "OffStreetParking"],
    gives=["OnStreetParking", "OffStreetParking"],
    options=Prices,
    indicators=[Indicator("inGoal", IN_GOAL, "P1", "higher")],
    operator=Text("Parking department", "주차관리과"),
    cost=Text(
        "Sensors on spots or counters at barriers; none where car parks publish their counts.",
        "주차면 센서나 차단기 계수기. 주차장이 현황을 공개하면 추가 비용이 없습니다.",
    ),
)


class Zone(TypedDict):
    """What is kept of a zone."""

    type: str
    name: str
    place: list[float] | None  # its middle, from the centre of the earth [m]
    source: int
    closed: bool
    total: int
    free: int | None
    occupancy: float | None  # None: unknown, or closed
    since: int  # up to when time has been added to the bands [s since 1970]
    seen: int  # when the last counts came [s since 1970]
    spots: dict[str, str]  # status by id
    bands: dict[str, list[float]]  # time with counts, times occupancy, in the goal [s]
    decided: dict[str, str]  # by band, the decision that set its price
    prices: dict[str, float]  # by attribute
    leads: str | None  # if full: to which zone drivers are led, or nowhere ("")


@service.on("ParkingSpot")
async def spot(city: City, change: Change) -> None:
    """Count a zone anew when one of its spots is taken or left."""
    homes: dict[str, str] = city.state.setdefault("homes", {})  # zone by spot
    old, gone, put = homes.get(change.id), change.kind == "deleted", change.put
    if old is None and not gone and put["refParkingSite"] is None:
        put = await city.get(change.id) or put
    new = None if gone else put["refParkingSite"] or old
    if old is not None and old != new:
        zone = await _zone(city, old)
        del homes[change.id]
        zone["spots"].pop(change.id, None)
        _count(city, old, zone)
    if isinstance(new, str) and is_uri(new) and (put["status"] is not None or old != new):
        zone = await _zone(city, new)
        if not zone["spots"]:
            found = await city.find("ParkingSpot", f'refParkingSite=="{new}"')
            zone["spots"] = {one.id: str(one["status"]) for one in found}
            homes |= dict.fromkeys(zone["spots"], new)
        homes[change.id] = new
        if put["status"] is not None:
            zone["spots"][change.id] = str(put["status"])
        _count(city, new, zone)


def _count(city: City, id: str, zone: Zone) -> None:
    status = list(zone["spots"].values())
    free = status.count("free")  # spots that are closed or unknown are no places
    zone["source"], zone["seen"] = SPOTS, _now(city)
    zone["total"] = free + status.count("occupied")
    _tell(city, id, zone, free, write=True)


@service.on("OnStreetParking")
@service.on("OffStreetParking")
async def site(city: City, change: Change) -> None:
    """Take over what a zone counts itself, such as a car park with a barrier."""
    put = change.put
    if change.kind == "deleted":
        if city.state.get("zones", {}).pop(change.id, None) is not None:
            _guide(city)
    elif any(name.startswith(USED) for name in put):
        zone = await _zone(city, change.id)
        _describe(zone, put)
        source, free = AVAILABLE, _number(put["availableSpotNumber"])
        given, occupied = free is not None, _number(put["occupiedSpotNumber"])
        if occupied is not None:
            source, free = OCCUPIED, zone["total"] - occupied
        if free is None or source < zone["source"]:
            _tell(city, change.id, zone, zone["free"], write=False)
        else:
            zone["source"], zone["seen"] = source, _now(city)
            _tell(city, change.id, zone, free, write=not given)


async def _zone(city: City, id: str) -> Zone:
    """Return what is kept of a zone, with its time up to now."""
    if "zones" not in city.state:  # the first period begins
        city.state["zones"] = {}
        city.at(sfpark.period_end(city.now, city.options), "reprice", "reprice")
    zones: dict[str, Zone] = city.state["zones"]
    if id not in zones:
        zones[id] = {
            "type": "OnStreetParking", "name": id.rpartition(":")[2], "place": None, "source": 0,
            "closed": False, "total": 0, "free": None, "occupancy": None, "since": _now(city),
            "seen": 0, "spots": {}, "bands": {}, "decided": {}, "prices": {}, "leads": None,
        }  # fmt: skip
        if (known := await city.get(id)) is not None:
            zones[id]["type"] = known.type
            _describe(zones[id], known)
    _add_time(zones[id], _now(city), city.options)
    return zones[id]


def _describe(zone: Zone, put: Thing) -> None:
    if isinstance(put["name"], str):
        zone["name"] = put["name"]
    if put["status"] is not None:
        zone["closed"] = "closed" in str(put["status"])  # closedAbnormal too; or a list of them
    if put["location"] is not None:
        middle = shapely.from_geojson(orjson.dumps(put["location"])).centroid
        zone["place"] = list(distance.vector(middle.x, middle.y))
    # Kept, and not read when they are set: a setting that is done again must not step again.
    for name in put:
        if name.startswith(PRICE) and _number(put[name]) is not None:
            zone["prices"][name] = float(put[name])
    if zone["source"] != SPOTS:
        zone["total"] = _number(put["totalSpotNumber"]) or zone["total"]


def _tell(city: City, id: str, zone: Zone, free: int | None, write: bool) -> None:
    """Keep a new count and write what it changes. Sensors miscount, so it is cut to fit."""
    if free is None or zone["total"] <= 0:
        return
    free = min(max(free, 0), zone["total"])
    occupancy = None if zone["closed"] else 1 - free / zone["total"]
    if occupancy is not None and occupancy != zone["occupancy"]:
        city.update(id, zone["type"], occupancy=round(occupancy, 4))
    if write and free != zone["free"]:
        city.update(id, zone["type"], availableSpotNumber=free)
    had = _has_places(zone)
    zone["free"], zone["occupancy"] = free, occupancy
    if had != _has_places(zone):
        _guide(city)


def _has_places(zone: Zone) -> bool | None:
    return None if zone["free"] is None else zone["free"] > 0 and zone["occupancy"] is not None


def _guide(city: City) -> None:
    """Lead drivers from each full zone to the nearest with free places."""
    zones: dict[str, Zone] = city.state["zones"]
    free = {id: zone["place"] for id, zone in zones.items() if zone["place"] and _has_places(zone)}
    for id, zone in zones.items():
        sign, leads = parking_sign.free(), None
        if _has_places(zone) is False:
            sign, leads = parking_sign.full(), ""
            found = parking_sign.nearest(zone["place"], free) if zone["place"] else None
            if found is not None:
                leads, metres = found
                sign = parking_sign.leading(leads, zones[leads]["name"], metres)
        if leads != zone["leads"]:
            zone["leads"] = leads
            city.update(id, zone["type"], guidance=sign)


def _add_time(zone: Zone, now: int, options: Prices) -> None:
    """Add the time that has passed to the bands, with the occupancy that the zone had."""
    occupancy, since = zone["occupancy"], zone["since"]
    zone["since"] = max(since, now)
    if occupancy is None:
        return
    until = min(now, zone["seen"] + options.hold_minutes * 60)
    for band, passed in sfpark.seconds(since, until, options):
        sums = zone["bands"].setdefault(sfpark.label(band), [0, 0, 0])
        sums[0] += passed
        sums[1] += passed * occupancy
        sums[2] += passed * (GOAL[0] <= occupancy <= GOAL[1])


@service.timer
async def reprice(city: City) -> None:
    """Set the prices of the next period."""
    city.at(sfpark.period_end(city.now, city.options), "reprice", "reprice")
    known = in_goal = 0.0
    for id in sorted(city.state["zones"]):
        zone, thing = await _zone(city, id), await city.get(id)
        sums, zone["bands"] = zone["bands"], {}
        for band in city.options.bands:
            time, occupied, good = sums.get(sfpark.label(band), (0, 0, 0))
            known, in_goal = known + time, in_goal + good
            whole = city.options.period_days * (band[1] - band[0]) * HOUR
            if thing is not None and time >= ENOUGH * whole:
                _decide(city, thing, zone, band, round(occupied / time, 3))
    if known:
        city.measure("inGoal", round(100 * in_goal / known, 1))


def _decide(city: City, thing: Thing, zone: Zone, band: Band, occupancy: float) -> None:
    """Set the price of one band, and tell what came of the one before."""
    options: Prices = city.options
    if (before := zone["decided"].get(sfpark.label(band))) is not None:
        good = GOAL[0] <= occupancy <= GOAL[1]
        city.learn(before, meanOccupancy=occupancy, inGoal=good)
    attribute = f"{PRICE}{band[0]}To{band[1]}"
    old = zone["prices"].get(attribute, options.first_price)
    new = sfpark.stepped(old, occupancy, options)
    zone["decided"][sfpark.label(band)] = city.decide(
        sfpark.sentence(zone["name"], band, occupancy, old, new, options),
        because=[(thing, "occupancy"), (thing, attribute)],
        expects={"meanOccupancy": list(GOAL)},
        undo={thing.id: {attribute: old}},
    )
    if new != zone["prices"].get(attribute):
        zone["prices"][attribute] = new
        currency = {"priceCurrency": {"type": "Property", "value": options.currency}}
        price = {attribute: {"type": "Property", "value": new, **currency}}
        city.update(thing.id, zone["type"], **price)


def _number(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e9:
        return None  # a faulty sender must not stop the service
    return round(value)


def _now(city: City) -> int:
    return int(city.now.timestamp())
