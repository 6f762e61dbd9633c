"""What families and searchers are told, in English and Korean.

Decisions are read by many and name the tag only; notices go to the family and name the person as
the family does. Neither has a place: that is at the tag, where policies decide who sees it.
"""

from __future__ import annotations

from datetime import datetime

from madang.services.service import Text


def left(name: str, since: datetime) -> Text:
    """Return that somebody has left the safe zones."""
    return Text(
        f"{name} has been out of the safe zones since {since:%H:%M}.",
        f"{name}: {since:%H:%M}부터 안심 구역 밖에 있습니다.",
    )


def back(name: str, zone: str, minutes: float) -> Text:
    """Return that somebody is in a safe zone again."""
    where = f" ({zone})" if zone else ""
    return Text(
        f"{name} is in a safe zone again{where}, after {minutes:.0f} minutes.",
        f"{name}: {minutes:.0f}분 만에 안심 구역으로 돌아왔습니다{where}.",
    )


def silent(name: str, minutes: int, seen: datetime) -> Text:
    """Return that a tag has not been seen for long."""
    return Text(
        f"{name} has not been seen for {minutes} minutes, last at {seen:%H:%M}.",
        f"{name}: {minutes}분 동안 확인되지 않았습니다. 마지막 확인 {seen:%H:%M}.",
    )


def seen_again(name: str) -> Text:
    """Return that a tag is seen again."""
    return Text(f"{name} is seen again.", f"{name}: 다시 확인되었습니다.")


def search_opened(name: str, by: str, basis: str, until: datetime) -> Text:
    """Return that a search has been opened, by whom and on which legal basis."""
    return Text(
        f"{by} opened a search for {name} until {until:%H:%M}; legal basis: {basis}.",
        f"{by}: {name} 수색 개시, {until:%H:%M}까지. 법적 근거: {basis}.",
    )


def search_seen(name: str) -> Text:
    """Return that somebody who is searched for was seen."""
    return Text(
        f"{name} was seen. The place is shown at the tag.",
        f"{name}: 위치가 확인되었습니다. 태그에서 볼 수 있습니다.",
    )


def search_ended(name: str, why: str, sightings: int) -> Text:
    """Return that a search has ended: ``closed`` by somebody, or ``expired``."""
    en = "was closed" if why == "closed" else "ended by itself, its time is over"
    ko = "종료되었습니다" if why == "closed" else "기한이 지나 자동으로 종료되었습니다"
    return Text(
        f"The search for {name} {en}; {sightings} sightings. Exact places are hidden again.",
        f"{name} 수색이 {ko}. 확인 {sightings}회. 정확한 위치는 다시 가려집니다.",
    )


FULL = Text(
    "There are as many tags as one service watches over; remove one that is not used.",
    "서비스가 지원하는 태그 수를 넘었습니다. 쓰지 않는 태그를 삭제하세요.",
)
TITLE_LEFT = Text("Out of the safe zones", "안심 구역 이탈")
TITLE_BACK = Text("Back in a safe zone", "안심 구역 복귀")
TITLE_SILENT = Text("Not seen", "위치 미확인")
TITLE_SEEN = Text("Seen again", "다시 확인됨")
TITLE_SEARCH = Text("Search for a watched-over person", "안심 태그 이용자 수색")
