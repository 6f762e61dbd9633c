"""Care plug: a person who lives alone uses electricity in a rhythm; when it stays away, tell.

A plug or a meter tells its reading (``CarePlug.totalActiveEnergyImport`` [kWh], the name that the
Smart Data Models have for it). What others see of it is ``active`` or ``quiet``. The rhythm and the
test are in :mod:`madang.services.care_plug.rhythm`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, TypedDict

from madang.services.care_plug import rhythm as care_plug_rhythm
from madang.services.care_plug import words
from madang.services.care_plug.rhythm import SLOTS, Home
from madang.services.city import Change, City, Thing
from madang.services.records import link, moment
from madang.services.schedule import MICROSECONDS
from madang.services.service import Indicator, LocalOptions, Service, Text, option

SLOT_S = 1800
LONGEST_GAP_S = 2 * 3600  # between readings; what was used when is not known then
SILENT_S = 6 * 3600  # after which the plug itself is in doubt
MOST_WH = 50_000.0  # of half an hour: more is a fault
MOST_PLUGS = 20_000


class CareOptions(LocalOptions):
    """Who is told, and how soon."""

    people: str = option(
        "care", "People", "담당자",
        "Person, group or rota that is told, unless the plug names one.", max_length=100,
    )  # fmt: skip
    certainty: float = option(
        5.7, "Promptness", "민감도",
        "Standard deviations; higher finds more stops within 12 hours, with more false alarms.",
        ge=0, le=10,
    )  # fmt: skip


service = Service(
    "care_plug",
    title=Text("Care plug", "돌봄 플러그"),
    purpose=Text(
        "Tells a care worker when a person who lives alone shows no usual activity.",
        "혼자 사는 분의 평소 활동이 보이지 않으면 돌봄 담당자에게 알립니다.",
    ),
    category="socialAndHealth",
    needs=["CarePlug"],
    gives=["CarePlug"],
    options=CareOptions,
    indicators=[
        Indicator("watched", Text("Homes that are watched", "돌보는 가구"), "C62", "higher"),
        Indicator("alarms", Text("Alarms so far", "누적 알림"), "C62", "lower"),
    ],
    operator=Text("Welfare department, with its care workers", "복지 부서와 돌봄 담당자"),
    cost=Text(
        "A metering plug of about 30 USD for each home, or none where smart meters are.",
        "가구당 계량 플러그 약 4만 원. 스마트 계량기가 있으면 들지 않습니다.",
    ),
)


class Plug(TypedDict):
    """What is kept of a plug."""

    wh: float  # its reading
    at: int  # when it was read [s since 1970]
    energy: float  # of the half hour under way [Wh]
    known: float  # how much of it is known [s]
    home: Home
    state: str
    decision: str
    silent: bool


@service.on("CarePlug", attributes=["totalActiveEnergyImport"])
async def reading(city: City, change: Change) -> None:
    """Take over a reading, and judge each half hour that has ended with it."""
    value = change.put["totalActiveEnergyImport"]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
        return
    wh = value * 1000.0
    at = int((change.put.observed("totalActiveEnergyImport") or city.now).timestamp())
    plugs: dict[str, Plug] = city.state.setdefault("plugs", {})
    plug = plugs.get(change.id)
    if plug is None:
        if len(plugs) < MOST_PLUGS:
            plugs[change.id] = {
                "wh": wh, "at": at, "energy": 0.0, "known": 0.0,
                "home": care_plug_rhythm.new(at // SLOT_S), "state": "", "decision": "",
                "silent": False,
            }  # fmt: skip
            city.measure("watched", len(plugs))
        return
    if "ended" not in plug["home"]:
        plug["home"] = care_plug_rhythm.renewed(plug["home"])
    if at <= plug["at"] or at > city.now.timestamp() + SLOT_S:
        return
    if plug["silent"]:
        plug["silent"] = False
        city.end_alert(f"silent {change.id}")
    for number, energy in _half_hours(plug, wh, at):
        local = city.local - timedelta(seconds=city.now.timestamp() - number * SLOT_S)
        place = local.weekday() * SLOTS + local.hour * 2 + local.minute // 30
        news = care_plug_rhythm.step(plug["home"], energy, number, place, city.options.certainty)
        if news == "alarm":
            await _alarm(city, change.id, plug)
        elif news == "over":
            _over(city, change.id, plug)
    _show(city, change.id, plug)


def _half_hours(plug: Plug, wh: float, at: int) -> Iterator[tuple[int, float | None]]:
    """Yield the half hours that have ended with a reading, and the energy of each [Wh]."""
    begun, used = plug["at"], wh - plug["wh"]
    passed = at - begun
    is_known = 0 <= used <= MOST_WH * max(passed / SLOT_S, 1) and passed <= LONGEST_GAP_S
    rate = used / passed if is_known else 0.0
    plug["wh"], plug["at"] = wh, at
    first = max(begun // SLOT_S, at // SLOT_S - 7 * SLOTS)  # a week without readings is enough
    for number in range(first, at // SLOT_S + 1):
        part = min(at, (number + 1) * SLOT_S) - max(begun, number * SLOT_S)
        if is_known:
            plug["energy"] += rate * part
            plug["known"] += part
        if number < at // SLOT_S:
            known = plug["known"]
            yield number, plug["energy"] * SLOT_S / known if known >= SLOT_S / 2 else None
            plug["energy"] = plug["known"] = 0.0


def _show(city: City, id: str, plug: Plug) -> None:
    """Write whether somebody is active, if that has changed."""
    home = plug["home"]
    if len(home["days"]) < care_plug_rhythm.LEARNING_DAYS:
        state = "learning"
    else:
        state = "active" if home["now"] - home["active"] < 2 else "quiet"
    if state == plug["state"]:
        return
    plug["state"] = state
    since = {} if state != "quiet" else {"quietSince": moment(_since(plug) * MICROSECONDS)}
    city.update(id, "CarePlug", activityState=state, **since)
    if state != "quiet":
        city.remove(id, "CarePlug", "quietSince")


def _since(plug: Plug) -> int:
    """Return the end of the last half hour in which somebody acted. [s since 1970]"""
    return (plug["home"]["active"] + 1) * SLOT_S


async def _alarm(city: City, id: str, plug: Plug) -> None:
    """Tell that there is no usual activity, unless somebody has said that they are away."""
    thing = await city.get(id)
    if thing is None or _is_away(city, thing):
        return
    local = city.local
    since = local - timedelta(seconds=city.now.timestamp() - _since(plug))
    start = care_plug_rhythm.usual_start(plug["home"], local.weekday())
    title, text = words.title(thing), words.quiet(since, local, start)
    plug["decision"] = city.decide(
        text, because=[(thing, "quietSince")], expects={"somebodyLooks": True}
    )
    city.alert(id, kind="noUsualActivity", severity="high", title=title, text=text, about=[thing])
    people = thing["careTeam"]
    city.notify(
        people if isinstance(people, str) and people else city.options.people,
        title, text, about=id, urgent=True,
    )  # fmt: skip
    city.update(id, "CarePlug", alarmDecision=link(plug["decision"]))
    city.state["alarms"] = city.state.get("alarms", 0) + 1
    city.measure("alarms", city.state["alarms"])


def _is_away(city: City, thing: Thing) -> bool:
    until: Any = thing["absentUntil"]
    if isinstance(until, dict):
        until = until.get("@value")
    return isinstance(until, str) and until > city.now.strftime("%Y-%m-%dT%H:%M:%SZ")


def _over(city: City, id: str, plug: Plug) -> None:
    """End an alarm: somebody acts again."""
    if plug["decision"]:
        city.learn(plug["decision"], activeAgain=city.now.isoformat())
        plug["decision"] = ""
        city.end_alert(id)


@service.every("1h")
async def silent(city: City) -> None:
    """Tell of plugs that have stopped to send: they say nothing of the person."""
    plugs: dict[str, Plug] = city.state.get("plugs", {})
    for id, plug in plugs.items():
        if not plug["silent"] and city.now.timestamp() - plug["at"] > SILENT_S:
            plug["silent"] = True
            thing = await city.get(id)
            about = [] if thing is None else [thing]
            title, text = words.silent(SILENT_S // 3600)
            city.alert(
                f"silent {id}", kind="noReadings", severity="low", title=title, text=text,
                about=about,
            )  # fmt: skip
