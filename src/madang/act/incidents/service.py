"""Incidents: alerts become one thing to be dealt with, with an owner, steps, a clock and a record.

This service alone writes incidents. What people do comes to it as a change as well: the attribute
``action`` of the incident, written by the API. So it can be played again, with a day of history,
and two who act at once act one after the other.
"""

from __future__ import annotations

import orjson

from madang.act.incidents import texts
from madang.act.incidents.alert import Report, belongs, id_of, report
from madang.act.incidents.book import closing, incidents, is_dealt_with, kept, passed, save, tell
from madang.act.incidents.course import call_overdue, end_alerts, escalate, join, learn
from madang.act.incidents.deeds import Call, Deed, HandOver, Merge, Open, Split, Who, close, deeds
from madang.act.incidents.incident import INCIDENT, Incident, new, note, number, rank
from madang.act.incidents.parts import check_public, merge, split
from madang.act.incidents.playbook import PLAYBOOK, Playbook, chosen, escalation, parse
from madang.model import time
from madang.model.errors import Conflict, NgsiError
from madang.services import records
from madang.services.city import Change, City, Thing
from madang.services.records import ALERT, NOTICE, Severity
from madang.services.service import Indicator, LocalOptions, Service, Text, option

MOST_OPEN = 1_000  # incidents that are not closed; after that, alerts are gathered in one
CROWD = "manyIncidents"
LONGEST_REASON = 500  # characters


class Rules(LocalOptions):
    """What makes alerts one incident, and who is told if no playbook says it."""

    from_severity: Severity = option(
        "low", "From severity", "최소 심각도", "Alerts below it become no incident."
    )
    join_metres: float = option(
        200, "Same place", "같은 장소", "Alerts of a kind this near are one. [m]", ge=0, le=50_000
    )
    join_minutes: float = option(
        60, "Same time", "같은 시간", "And this soon after the last one. [min]", ge=1, le=10_080
    )
    notify: str = option(
        "", "Tell", "알릴 대상", "A person, group or rota, if no playbook names one.", max_length=40
    )
    escalate_to: str = option(
        "", "Escalate to", "다음 담당", "Told if nobody acknowledges it.", max_length=40
    )
    escalate_minutes: float = option(
        10, "Escalate after", "다음 담당까지", "So long after it began. [min]", gt=0, le=10_080
    )
    close_days: float = option(
        7, "Close after", "종결까지", "A resolved incident is closed then. [d]", gt=0, le=366
    )
    nearby_types: tuple[str, ...] = option(
        ("Camera", "Vehicle"),
        "Near by",
        "주변 대상",
        "Types shown with an incident.",
        max_length=20,
    )
    nearby_metres: float = option(
        500, "Near by within", "주변 거리", "How near they are. [m]", gt=0, le=50_000
    )


service = Service(
    "incidents",
    title=Text("Incidents", "상황 관리"),
    purpose=Text(
        "Makes one incident of the alerts that belong together, calls people until one answers, and"
        " leads through the steps.",
        "서로 관련된 경보를 하나의 상황으로 묶고, 누군가 응답할 때까지 알리며,"
        " 대응 단계를 안내합니다.",
    ),
    category="safety",
    needs=[ALERT, PLAYBOOK],
    gives=[INCIDENT],
    options=Rules,
    indicators=[
        Indicator(
            "minutesToAcknowledge",
            Text("Time to acknowledge", "확인까지 걸린 시간"),
            "MIN",
            "lower",
        ),
        Indicator(
            "minutesToResolve", Text("Time to resolve", "해결까지 걸린 시간"), "MIN", "lower"
        ),
    ],
    operator=Text("Control room", "통합관제센터"),
    cost=Text(
        "Nothing beyond Madang; text messages cost what the gateway asks.",
        "마당 외 추가 비용 없음. 문자 발송 비용은 사업자 요금을 따릅니다.",
    ),
)


@service.on(ALERT)
async def alert(city: City, change: Change) -> None:
    """Let an alert begin an incident, or tell more of one."""
    now, is_gone = time.render(city.instant), change.kind == "deleted"
    known = None if is_gone else await city.get(change.id)
    document = {**(known.document if known else {}), **change.put.document}
    told = report(Thing(document), now, is_gone)
    is_over = passed(told.until, now)
    here = incidents(city)
    found = next((one for one in here.values() if told.alert in one["alerts"]), None)
    if found is None and is_dealt_with(city, told.alert, told.severity, is_over):
        return
    if found is None and not is_over:
        found = _joined(city, told, now)
    if found is not None:
        before = kept(found)
        join(city, found, told, now)
        save(city, found, before)
    elif not is_over and rank(told.severity) >= rank(city.options.from_severity):
        await _begin(city, told, now)


@service.on(INCIDENT, attributes=["action"])
async def act(city: City, change: Change) -> None:
    """Carry out what somebody asked for."""
    now, action = time.render(city.instant), change.put["action"]
    who, found = Who(action["by"]["id"], action["by"]["name"]), incidents(city).get(change.id)
    wanted = deeds(action["do"])
    if found is None and isinstance(wanted[0], Open):
        found = await _open(city, change.id, wanted[0], who, now)
        wanted = wanted[1:]
    if found is None:
        refusal = "the incident is closed already; a new one can be opened"
        why = records.json({"action": action["id"], "reason": refusal})
        city.update(change.id, INCIDENT, lastAction=action["id"], refusal=why)
        return
    before, trial = kept(found), orjson.loads(orjson.dumps(found))
    people = list[tuple[Deed, str]]()
    try:
        people = [(deed, name) for deed in wanted for name in deed.apply(trial, who, now)]
        for deed in wanted:
            if isinstance(deed, Merge):
                _merge(city, trial, deed, who, now)
        incidents(city)[change.id] = found = trial
    except NgsiError as error:  # of several deeds all are done, or none
        found["refused"] = {"action": action["id"], "reason": error.detail}
    found["action"] = action["id"]
    for deed, name in people:
        text = texts.handed_over if isinstance(deed, HandOver) else texts.called
        words = text(found, city.options.time_zone)
        tell(city, found, [name], words, urgent=isinstance(deed, Call))
    for deed in wanted:
        if isinstance(deed, Split) and found["refused"].get("action") != action["id"]:
            await _split(city, found, deed, who, now)
    save(city, found, before)


@service.on(NOTICE, attributes=["status"])
async def told(city: City, change: Change) -> None:
    """Note whether people could be told; if nobody could, the next are told at once."""
    status = change.put["status"]
    if status == "waiting" or (notice := await city.get(change.id)) is None:
        return
    found = incidents(city).get(str(notice["about"]))
    if found is None:
        return
    now, before, to = time.render(city.instant), kept(found), str(notice["to"])
    deliveries = notice["deliveries"] or []
    persons = sorted({one["person"] for one in deliveries if one["ok"]})
    if status == "sent":
        note(found, now, "told", to=to, persons=persons or None)
    else:
        reasons = sorted({one["error"] for one in deliveries if one.get("error")})
        note(found, now, "notTold", to=to, reason="; ".join(reasons)[:LONGEST_REASON])
    agency = found["agencies"].get(to)
    if agency is not None and agency["state"] == "asked" and status == "sent":
        found["agencies"][to] = {**agency, "state": "sent", "at": now}
    if status == "failed" and found["status"] == "open":
        escalate(city, found, now, at_once=True)
    save(city, found, before)


@service.timer
async def clock(city: City, incident: str) -> None:
    """Do what is due in an incident."""
    found, now = incidents(city).get(incident), time.render(city.instant)
    if found is None:
        return
    before = kept(found)
    end_alerts(found, now)
    if found["status"] == "open":
        escalate(city, found, now)
    if found["status"] in ("open", "acknowledged"):
        call_overdue(city, found, now)
    if found["resolved"] and passed(closing(city, found), now):
        close(found, now)
    save(city, found, before)


# --- beginning ------------------------------------------------------------------------------------


async def _begin(city: City, told: Report, now: str) -> None:
    found = new(id_of(told, now), now, told.category, told.severity, told.title)
    found["kind"], found["text"] = told.kind, told.text
    found["location"], found["area"], found["about"] = told.location, told.area, list(told.about)
    found["alerts"][told.alert], found["reports"] = told.until, 1
    note(found, now, "opened", alert=told.alert, text=told.title, source=told.source)
    await _start(city, found)


async def _open(city: City, id: str, wanted: Open, who: Who, now: str) -> Incident:
    title = wanted.title.model_dump()
    found = new(id, now, wanted.category, wanted.severity, title)
    found["text"] = None if wanted.text is None else wanted.text.model_dump()
    found["location"], found["reports"] = wanted.location, 1
    found["area"] = wanted.area if isinstance(wanted.area, str) else wanted.area.model_dump()
    note(found, now, "opened", by=who.name, person=who.id, text=title)
    await _gather(city, found, wanted.alerts, now)
    await _start(city, found)
    return found


async def _gather(city: City, found: Incident, alerts: list[str], now: str) -> None:
    """Let an incident that somebody has opened be about alerts that belong to no other."""
    taken = {alert for one in incidents(city).values() for alert in one["alerts"]}
    free = [alert for alert in dict.fromkeys(alerts) if alert not in taken]
    for id in free:
        if (alert := await city.get(id)) is None or alert.type != ALERT:
            continue
        told = report(alert, now)
        learn(found, told)
        note(found, now, "alert", alert=id, text=told.title, severity=told.severity)
    found["reports"] = max(1, len(found["alerts"]))


def _merge(city: City, found: Incident, deed: Merge, who: Who, now: str) -> None:
    other = incidents(city).get(deed.incident)
    if other is None:
        raise Conflict(f"{number(deed.incident)} is closed already, so there is nothing to merge")
    check_public(found, other)
    before = kept(other)
    merge(found, other, deed, who, now)
    save(city, other, before)


async def _split(city: City, found: Incident, deed: Split, who: Who, now: str) -> None:
    """Begin an incident with alerts of another one, and look again what they say."""
    apart = split(found, deed, who, now)
    for id in apart["alerts"]:
        if (alert := await city.get(id)) is not None and alert.type == ALERT:
            learn(apart, report(alert, now))
    await _start(city, apart)


async def _start(city: City, found: Incident) -> None:
    """Choose a playbook, and tell people."""
    await _follow_playbook(city, found)
    incidents(city)[found["id"]] = found
    tell(city, found, found["notify"], texts.begun(found, city.options.time_zone))
    save(city, found, {})


async def _follow_playbook(city: City, found: Incident) -> None:
    options: Rules = city.options
    books = [(_name(one), _playbook(one)) for one in await city.find(PLAYBOOK)]
    usable = [(name, book) for name, book in books if book is not None]
    if (choice := chosen(usable, found)) is not None:
        choice[1].begin(found, choice[0])
    found["notify"] = found["notify"] or ([options.notify] if options.notify else [])
    if options.escalate_to and not found["escalations"]:
        found["escalations"] = [
            escalation(found["started"], options.escalate_minutes, options.escalate_to)
        ]


def _name(playbook: Thing) -> str:
    return playbook.id.rpartition(":")[2]


def _playbook(thing: Thing) -> Playbook | None:
    try:
        return parse(str(thing["toml"]))
    except NgsiError:  # of another version
        return None


def _joined(city: City, told: Report, now: str) -> Incident | None:
    """Return the incident that a new alert belongs to."""
    here, options = incidents(city), city.options
    within_s = options.join_minutes * 60
    for one in here.values():
        if belongs(one, told, now, within_s, options.join_metres):
            return one
    if len(here) < MOST_OPEN or rank(told.severity) < rank(options.from_severity):
        return None
    resolved = [one for one in here.values() if one["status"] == "resolved"]
    if resolved:
        oldest = min(resolved, key=lambda one: time.parse(one["resolved"]))
        before = kept(oldest)
        close(oldest, now)
        save(city, oldest, before)
        return None
    return next((one for one in here.values() if one["kind"] == CROWD), None) or _crowd(city, now)


def _crowd(city: City, now: str) -> Incident:
    title = {"en": "Very many incidents at once", "ko": "동시에 매우 많은 상황 발생"}
    found = new(f"urn:ngsi-ld:{INCIDENT}:{now[:10]}-many", now, CROWD, "critical", title)
    note(found, now, "opened", text=title)
    incidents(city)[found["id"]] = found
    notify = city.options.notify
    tell(city, found, [notify] if notify else [], texts.begun(found, city.options.time_zone))
    save(city, found, {})
    return found
