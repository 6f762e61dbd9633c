"""What street lights tell people, in both languages."""

from __future__ import annotations

from madang.services.service import Text

_REASONS = {
    "day": Text("it is light enough", "충분히 밝으므로"),
    "evening": Text("it is dark and people are about", "어둡고 통행이 많은 시간이므로"),
    "quiet": Text("detectors see nobody", "감지기에 사람이 없으므로"),
    "unwatched": Text("no detector works there", "동작하는 감지기가 없는 구간이므로"),
}
_FAULTS = {
    "dark": Text("is off at night", "밤에 꺼져 있음"),
    "dayBurner": Text("is on by day", "낮에 켜져 있음"),
    "power": Text("does not draw the power of its level", "소비 전력이 명령과 다름"),
    "silent": Text("reports nothing", "보고가 없음"),
}


def set_(count: int, level: float, reason: str, sun: float) -> Text:
    """Tell why lights are set to a level."""
    why = _REASONS[reason]
    many = f"{count} light" + ("" if count == 1 else "s")
    return Text(
        f"{many} to {level:.0%}: {why.en}. The sun stands at {sun:.1f} degrees.",
        f"태양 고도 {sun:.1f}도, {why.ko} 가로등 {count}개를 {level:.0%}로 맞춥니다.",
    )


def raised(count: int, detector: str, level: float, minutes: float) -> Text:
    """Tell why lights are raised."""
    many = f"{count} light" + ("" if count == 1 else "s")
    return Text(
        f"{many} to {level:.0%} for {minutes:g} minutes: somebody moves at {detector}.",
        f"{detector}에서 움직임을 감지하여 가로등 {count}개를 {minutes:g}분간 {level:.0%}로"
        " 밝힙니다.",
    )


def fault(
    name: str, kind: str, level: float, power: float | None, watts: float
) -> tuple[Text, Text]:
    """Return title and text of the alert of a fault."""
    what = _FAULTS[kind]
    en = f"{name} {what.en}. It was set to {level:.0%}"
    ko = f"{name}: {what.ko}. 명령 밝기 {level:.0%}"
    if power is not None:
        en += f" and draws {power:.0f} W"
        ko += f", 소비 전력 {power:.0f} W"
    if watts:
        en += f" (rated {watts:.0f} W)"
        ko += f"(정격 {watts:.0f} W)"
    return Text(f"{name} {what.en}", f"{name} {what.ko}"), Text(f"{en}.", f"{ko}.")
