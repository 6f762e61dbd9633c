"""What people are told of a crash, in English and Korean."""

from __future__ import annotations

from madang.services.service import Text

TITLE = Text("Traffic accident ahead", "전방 교통사고")
SIGN = Text("Accident ahead. Slow down, keep a lane free.", "전방 사고. 서행, 긴급차로 양보.")


def silent(name: str, braking: float, seconds: float) -> Text:
    """Tell why a crash is suspected."""
    return Text(
        f"{name} braked with {-braking:.1f} m/s² and has been silent for {seconds:.0f} s.",
        f"{name}: {-braking:.1f} m/s²로 급정거한 뒤 {seconds:.0f}초째 신호 없음.",
    )


def crashed(name: str) -> Text:
    """Head the alert of a suspected crash."""
    return Text(f"Crash suspected: {name}", f"사고 의심: {name}")


def responded(signs: int, signals: int, cameras: int, metres: float) -> Text:
    """Tell what was done at once."""
    return Text(
        f"Accident: {signs} signs warn and {signals} signals take it into account within"
        f" {metres:.0f} m; what {cameras} cameras and the detectors tell is kept as evidence.",
        f"교통사고: 반경 {metres:.0f} m 안 안내판 {signs}개에 경고를 표시하고 신호 {signals}개가"
        f" 대응합니다. 카메라 {cameras}대와 감지기 기록을 증거로 보존합니다.",
    )


def told(area: Text) -> Text:
    """Tell people near a crash; the area is empty where nobody knows it."""
    en, ko = area
    return Text(
        f"Accident{f' in {en}' if en else ''}. Please drive round it and keep the way free for"
        " responders.",
        f"{ko + ' ' if ko else ''}교통사고 발생. 우회하시고 긴급차량에 길을 비켜 주세요.",
    )


def repeated(count: int, days: int, metres: float) -> Text:
    """Tell that accidents happen again and again at a place."""
    return Text(
        f"{count} accidents within {metres:.0f} m in {days} days: the place is to be looked at.",
        f"{days}일 동안 반경 {metres:.0f} m에서 사고 {count}건: 현장 점검이 필요합니다.",
    )


def order(count: int) -> Text:
    """Head the work order for such a place."""
    return Text(
        f"Inspect a place with {count} accidents: sight lines, markings, signal times, speed",
        f"사고 {count}건 지점 점검: 시야, 노면 표시, 신호 시간, 속도",
    )
