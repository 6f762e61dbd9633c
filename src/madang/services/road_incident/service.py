"""Road incident: what is done in the first seconds after a crash, and what is learned from many.

A connected vehicle that brakes very hard and then falls silent is an alert; what a citizen reports
at that place joins it, as one incident of the service ``incidents``. For an accident signs near it
warn, vehicles and apps that follow ``RoadHazard`` hear of it (cause code 2, accident, of ETSI EN
302 637-3), the signals around follow what their detectors see, and the evidence is gathered.
Accidents that happen again and again at one place become a report and a work order.
"""

from __future__ import annotations

from datetime import timedelta
from math import inf
from typing import Any, TypedDict

from madang.services import records, tally
from madang.services.city import Change, City, Thing
from madang.services.corridor.way import metres_between
from madang.services.place import middle
from madang.services.road_incident import words
from madang.services.service import Indicator, LocalOptions, Service, Text, option

VEHICLE, INCIDENT, SIGNAL, CAMERA = "Vehicle", "Incident", "TrafficSignal", "Camera"
SIGN, SHOW = "MessageSign", "showText"
HAZARD, EVIDENCE = "RoadHazard", "IncidentEvidence"
REPORT, ORDER = "RoadSafetyReport", "WorkOrder"
KIND = "trafficAccident"
CAUSE = 2  # accident
HEARD_S = 3.0  # after the braking: what is told later shows that the vehicle goes on telling
BEFORE = timedelta(minutes=5)  # of evidence
AFTER = timedelta(minutes=10)
MOST_NEAR = 50
MOST_KEPT = 10_000  # accidents that are remembered
OVER = ("resolved", "closed")
DAY = 86_400_000_000  # [us]


class Care(LocalOptions):
    """What counts as a crash, and what is done."""

    braking: float = option(
        6.0, "Braking", "급정거 기준", "Harder than a driver brakes. [m/s2]", ge=3, le=20
    )
    silent_s: float = option(
        15.0, "Silent", "무신호 시간", "A vehicle that says nothing for so long. [s]", ge=5, le=600
    )
    near_m: float = option(
        400.0, "Near", "주변 거리", "Signs, signals, cameras within. [m]", ge=50, le=5_000
    )
    minutes: float = option(
        30.0, "Warn for", "경고 시간", "If nobody resolves it before. [min]", ge=1, le=1_440
    )
    tell: str = option("", "Tell", "알릴 대상", "A person, group or rota.", max_length=40)
    repeat_after: int = option(
        3, "Repeated", "반복 기준", "So many at one place make a work order.", ge=2, le=100
    )
    repeat_m: float = option(60.0, "One place", "같은 장소", "Within. [m]", ge=5, le=1_000)
    repeat_days: int = option(365, "Within", "기간", "Days that count.", ge=1, le=3_660)


service = Service(
    "road_incident",
    title=Text("Road accidents", "교통사고 대응"),
    purpose=Text(
        "Finds out that a car has crashed, warns who is near, keeps evidence, and has places mended"
        " where it happens again.",
        "차량 사고를 감지해 주변에 알리고 증거를 보존하며, 반복되는 지점의 정비를 요청합니다.",
    ),
    category="safety",
    needs=[VEHICLE, INCIDENT, SIGNAL, CAMERA],
    gives=[HAZARD, EVIDENCE, REPORT, ORDER],
    commands=[SIGN],
    options=Care,
    indicators=[
        Indicator("accidents", Text("Accidents in 28 days", "28일간 사고"), "C62", "lower"),
        Indicator("workOrders", Text("Work orders in 28 days", "28일간 작업 지시"), "C62", "lower"),
    ],
    operator=Text("Control room, with police and road department", "관제센터, 경찰·도로 부서"),
    cost=Text(
        "Nothing beyond signs and connected vehicles.", "안내판과 연결 차량 외 추가 비용 없음."
    ),
)


class Accident(TypedDict):
    """What is kept of one accident."""

    id: str
    at: int  # [us since 1970]
    place: list[float]


# --- finding out ----------------------------------------------------------------------------------


@service.on(VEHICLE, attributes=["acceleration"], where="acceleration<-3")
async def braked(city: City, change: Change) -> None:
    """Listen whether a vehicle that has braked very hard still says something."""
    braking = change.put["acceleration"]
    if isinstance(braking, int | float) and braking <= -city.options.braking:
        city.at(
            timedelta(seconds=city.options.silent_s), "listen", f"listen:{change.id}",
            id=change.id, since=city.instant, braking=braking,
        )  # fmt: skip


@service.timer
async def listen(city: City, id: str, since: int, braking: float) -> None:
    """Raise an alert for a vehicle that has been silent since it braked."""
    vehicle = await city.get(id)
    if vehicle is None or _heard(vehicle) > since + HEARD_S * 1e6:
        return
    name = vehicle["name"] if isinstance(vehicle["name"], str) else id.rpartition(":")[2]
    text = words.silent(name, braking, city.options.silent_s)
    city.decide(text, because=[(vehicle, "acceleration"), (vehicle, "location")])
    city.alert(
        id, kind=KIND, severity="high", title=words.crashed(name), text=text, about=[vehicle]
    )


def _heard(vehicle: Thing) -> float:
    """Return when a vehicle has told something last. [us since 1970]"""
    times = (vehicle.observed(name) for name in ("location", "speed"))
    return max((one.timestamp() * 1e6 for one in times if one is not None), default=0.0)


# --- the first seconds ----------------------------------------------------------------------------


@service.on(INCIDENT, attributes=["status", "location"])
async def incident(city: City, change: Change) -> None:
    """Respond to an accident, once; end the warnings when it is over."""
    found = await city.get(change.id)
    if found is None or KIND not in (found["category"], found["kind"]):
        return
    here: dict[str, list[str]] = city.state.setdefault("here", {})
    place = middle(found)
    if found["status"] in OVER:
        if change.id in here:
            here.pop(change.id)
            city.update(_id(HAZARD, change.id), HAZARD, **records.ended(city.instant))
    elif change.id not in here and place is not None:
        here[change.id] = await _respond(city, found, place)
        await _learn(city, found, place)


async def _respond(city: City, found: Thing, place: list[float]) -> list[str]:
    """Warn who is near and gather the evidence; return the signs that warn."""
    options: Care = city.options
    signs, signals, cameras = [
        await _near(city, type, place) for type in (SIGN, SIGNAL, CAMERA)
    ]  # fmt: skip
    vehicles = await _near(city, VEHICLE, place)
    decision = city.decide(
        words.responded(len(signs), len(signals), len(cameras), options.near_m),
        because=[(found, "category"), (found, "location")],
        expects={"signs": [one.id for one in signs], "signals": [one.id for one in signals]},
    )
    for sign in signs:
        text = {"en": words.SIGN.en, "ko": words.SIGN.ko}
        city.command(
            sign, SHOW, {"text": text}, decision=decision,
            revert_after=timedelta(minutes=options.minutes),
        )  # fmt: skip
    end = city.instant + round(options.minutes * 60e6)
    city.update(
        _id(HAZARD, found.id), HAZARD,
        location={"type": "GeoProperty", "value": {"type": "Point", "coordinates": place}},
        causeCode=CAUSE, relevanceDistance={"type": "Property", "value": options.near_m,
                                            "unitCode": "MTR"},
        title=records.text(words.TITLE), status="open", validTo=records.moment(end),
    )  # fmt: skip
    _keep(city, found, cameras, [*signals, *vehicles])
    if options.tell:
        warning = words.told(_area(found))
        city.notify(options.tell, words.TITLE, warning, about=found.id, urgent=True)
    return [one.id for one in signs]


def _area(incident: Thing) -> Text:
    """Return what the place of an incident is called; it may be in one language for both."""
    found = incident["areaServed"] or ""
    return Text(found["en"], found["ko"]) if isinstance(found, dict) else Text(found, found)


def _keep(city: City, found: Thing, cameras: list[Thing], things: list[Thing]) -> None:
    """Write down where the evidence is, and how everything near was at that moment."""
    seen = [
        {"id": one.id, **{name: one[name] for name in _EVIDENCE if one[name] is not None}}
        for one in things
    ]
    links = {"refCamera": records.link([one.id for one in cameras])} if cameras else {}
    city.update(
        _id(EVIDENCE, found.id), EVIDENCE,
        refIncident=records.link(found.id),
        validFrom=records.moment(city.instant - _us(BEFORE)),
        validTo=records.moment(city.instant + _us(AFTER)),
        videos=records.json([one["streamURL"] for one in cameras if one["streamURL"]]),
        seen=records.json(seen), **links,
    )  # fmt: skip


_EVIDENCE = ("location", "speed", "heading", "acceleration", "currentPhase", "phaseSince")


# --- places where it happens again ----------------------------------------------------------------


async def _learn(city: City, found: Thing, place: list[float]) -> None:
    """Remember an accident; too many at a place become a report and a work order."""
    options: Care = city.options
    since = city.instant - options.repeat_days * DAY
    past: list[Accident] = [one for one in city.state.get("past", []) if one["at"] >= since]
    past = [*past, Accident(id=found.id, at=city.instant, place=place)][-MOST_KEPT:]
    city.state["past"] = past
    here = [one for one in past if metres_between(one["place"], place) <= options.repeat_m]
    ordered = sum(1 for one in here if one["id"] in city.state.setdefault("ordered", {}))
    if len(here) - ordered >= options.repeat_after:
        _order(city, found, place, here)
    _measure(city, accidents=1)


def _order(city: City, found: Thing, place: list[float], here: list[Accident]) -> None:
    options: Care = city.options
    text = words.repeated(len(here), options.repeat_days, options.repeat_m)
    about = [one["id"] for one in here]
    where = {"type": "GeoProperty", "value": {"type": "Point", "coordinates": place}}
    decision = city.decide(
        text, because=[(found, "location")], expects={"accidents": about},
    )  # fmt: skip
    report, order = _id(REPORT, found.id), _id(ORDER, found.id)
    city.update(
        report, REPORT, location=where, description=records.text(text), accidents=len(here),
        refIncident=records.link(about), validFrom=records.moment(min(one["at"] for one in here)),
    )  # fmt: skip
    city.update(
        order, ORDER, location=where, title=records.text(words.order(len(here))), status="open",
        category="roadSafety", refReport=records.link(report), decision=records.link(decision),
    )  # fmt: skip
    for one in here:
        city.state["ordered"][one["id"]] = order
    if options.tell:
        city.notify(options.tell, words.order(len(here)), text, about=order)
    _measure(city, workOrders=1)


# --- places ---------------------------------------------------------------------------------------


async def _near(city: City, type: str, place: list[float]) -> list[Thing]:
    """Return what is near a place, the nearest first."""
    ranked = []
    for one in await city.find(type):
        there = middle(one)
        metres = inf if there is None else metres_between(there, place)
        if metres <= city.options.near_m:
            ranked.append((metres, one.id, one))
    return [one for _, _, one in sorted(ranked, key=lambda row: row[:2])][:MOST_NEAR]


def _id(type: str, incident: str) -> str:
    return f"urn:ngsi-ld:{type}:{incident.rpartition(':')[2]}"


def _us(span: timedelta) -> int:
    return span // timedelta(microseconds=1)


def _measure(city: City, **counts: Any) -> None:
    sums = tally.add(city, **counts)
    city.measure("accidents", sums.get("accidents", 0))
    city.measure("workOrders", sums.get("workOrders", 0))
