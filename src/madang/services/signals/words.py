"""What signals tell people of what they do, in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from madang.services.service import Text

_ASKED = {
    "emergency": Text("an emergency vehicle", "긴급차량"),
    "bus": Text("a bus", "버스"),
    "bicycle": Text("a group of cyclists", "자전거 무리"),
}


def told(why: Mapping[str, Any]) -> Text:
    """Return the reasons of a choice as a sentence; phases have the numbers of ``currentPhase``.

    >>> told({"kind": "switch", "from": 0, "to": 2, "green_s": 20.0, "waiting": 6, "coming": 3,
    ...       "saves_s": 84.6, "horizon_s": 50.0, "asked": None, "full": []}).en
    'Phase 2 after 20 s of phase 0: 6 wait and 3 come there; it saves 85 s of delay in 50 s.'
    """
    old, new, green = why["from"], why["to"], round(why["green_s"])
    if why["kind"] == "hold":
        head = Text(f"Phase {new} goes on after {green} s", f"현시 {new} 유지({green}초 경과)")
    else:
        head = Text(
            f"Phase {new} after {green} s of phase {old}",
            f"현시 {old}({green}초) 다음 현시 {new}",
        )
    reason = _reason(why)
    full = len(why["full"])
    blocked = Text("", "")
    if full:
        roads = "1 exit is" if full == 1 else f"{full} exits are"
        blocked = Text(
            f" {roads} full and get nobody.", f" 진출 차로 {full}개가 가득 차 제외합니다."
        )
    return Text(f"{head.en}: {reason.en}.{blocked.en}", f"{head.ko}: {reason.ko}.{blocked.ko}")


def _reason(why: Mapping[str, Any]) -> Text:
    saves, horizon = round(why["saves_s"]), round(why["horizon_s"])
    if why["kind"] == "longest":
        return Text("it was green for as long as it may be", "최대 녹색시간에 이르렀습니다")
    if why["asked"]:
        who = _ASKED[why["asked"]]
        return Text(f"{who.en} is coming", f"{who.ko}가 접근하고 있습니다")
    waiting, coming = why["waiting"], why["coming"]
    return Text(
        f"{waiting} wait and {coming} come there; it saves {saves} s of delay in {horizon} s",
        f"대기 {waiting}대, 접근 {coming}대, 앞으로 {horizon}초 동안 지체 {saves}초를 줄입니다",
    )


def fallen_back(seconds: float) -> Text:
    """Tell that a signal runs its fixed plan, as nothing is heard of it."""
    return Text(
        f"Fixed plan: nothing has been heard of its detectors for {seconds:.0f} s.",
        f"고정 신호 계획: {seconds:.0f}초 동안 검지 자료가 없습니다.",
    )


def silent(name: Text) -> Text:
    """Return the title of the alert of a signal whose data are old."""
    return Text(f"{name.en}: no detector data", f"{name.ko}: 검지 자료 없음")
