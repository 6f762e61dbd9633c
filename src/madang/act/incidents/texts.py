"""What people are told of an incident, in English and Korean. Pure."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from madang.act.incidents.incident import Incident, Step, datetime_of, number, said
from madang.services.service import Text

SEVERITY = {
    "informational": Text("Information", "정보"),
    "low": Text("Low", "낮음"),
    "medium": Text("Medium", "보통"),
    "high": Text("High", "높음"),
    "critical": Text("Critical", "매우 심각"),
}


def headline(incident: Incident) -> Text:
    """Return what a message of an incident is headed with."""
    severity, title = SEVERITY[incident["severity"]], incident["title"]
    return Text(*(f"{getattr(severity, one)}: {said(title, one)}" for one in Text._fields))


def begun(incident: Incident, zone: str) -> Text:
    """Tell that an incident has begun, or goes on."""
    return _told(incident, zone, Text("Please acknowledge it.", "확인해 주세요."))


def unanswered(incident: Incident, zone: str) -> Text:
    """Tell that nobody has acknowledged an incident."""
    ask = Text("Nobody has acknowledged it so far.", "아직 아무도 확인하지 않았습니다.")
    return _told(incident, zone, ask)


def overdue(incident: Incident, step: Step, zone: str) -> Text:
    """Tell that a step has not been done in time."""
    title = step["title"]
    ask = Text(f"This step is overdue: {title['en']}.", f"기한이 지난 단계: {title['ko']}.")
    return _told(incident, zone, ask)


def handed_over(incident: Incident, zone: str) -> Text:
    """Tell who takes an incident over what they must know."""
    last = incident["hand_over"][-1]
    text = last["text"]
    ask = Text(
        f"{last['from']} hands it over to you: {text['en']}",
        f"{last['from']} 님이 넘겼습니다: {text['ko']}",
    )
    return _told(incident, zone, ask)


def called(incident: Incident, zone: str) -> Text:
    """Ask somebody to help."""
    return _told(incident, zone, Text("Your help is asked for.", "도움이 필요합니다."))


def _told(incident: Incident, zone: str, ask: Text) -> Text:
    began = datetime_of(incident["started"]).astimezone(ZoneInfo(zone))
    when, short = f"{began:%Y-%m-%d %H:%M} ({zone})", number(incident["id"])
    en = [ask.en, f"Began {when}.", f"Reports: {incident['reports']}."]
    ko = [ask.ko, f"시작: {when}.", f"신고 수: {incident['reports']}."]
    if incident["area"]:
        en.append(f"Where: {said(incident['area'], 'en')}.")
        ko.append(f"장소: {said(incident['area'], 'ko')}.")
    if incident["text"] is not None:
        en.append(said(incident["text"], "en"))
        ko.append(said(incident["text"], "ko"))
    return Text(" ".join([*en, f"Incident {short}."]), " ".join([*ko, f"상황 번호 {short}."]))
