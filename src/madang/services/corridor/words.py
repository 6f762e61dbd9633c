"""What corridors, buses and green waves tell people, in English and Korean."""

from __future__ import annotations

from madang.services.service import Text

OVER = Text("No longer needed.", "더 이상 필요하지 않습니다.")


def opened(name: str, signals: int, metres: float) -> Text:
    """Tell that a responder gets its corridor."""
    km = metres / 1000
    return Text(
        f"{name} is on its way: {signals} signals on {km:.1f} km get green before it comes, each as"
        " early as the queue there needs and no earlier.",
        f"{name} 출동: {km:.1f} km 구간의 신호 {signals}개가 도착 전에 녹색으로 바뀝니다."
        " 각 신호는 대기 행렬이 빠질 만큼만 먼저 바뀝니다.",
    )


def ahead(name: str, seconds: float, vehicles: int) -> Text:
    """Tell why a signal is asked for green by a responder."""
    before = f", {vehicles} vehicles wait before it" if vehicles else ""
    korean = f", 앞에 {vehicles}대 대기" if vehicles else ""
    return Text(
        f"{name} comes in {seconds:.0f} s{before}.", f"{name} {seconds:.0f}초 뒤 도착{korean}."
    )


def arrived(name: str, seconds: float) -> Text:
    """Tell that a responder has arrived."""
    return Text(f"{name} has arrived after {seconds:.0f} s.", f"{name} {seconds:.0f}초 만에 도착.")


def riders(count: int, seconds: float) -> Text:
    """Tell why a signal is asked for green by a group of bicycles."""
    return Text(
        f"{count} people on bicycles come together in {seconds:.0f} s.",
        f"자전거 {count}대가 {seconds:.0f}초 뒤 함께 도착합니다.",
    )


def bus(name: str, late_s: float, load: float | None, seconds: float) -> Text:
    """Tell why a signal is asked for green by a bus."""
    full = "" if load is None else f", {load:.0f} % full"
    korean = "" if load is None else f", 혼잡도 {load:.0f} %"
    return Text(
        f"{name} is {late_s / 60:.0f} min late{full}, and comes in {seconds:.0f} s.",
        f"{name} {late_s / 60:.0f}분 지연{korean}, {seconds:.0f}초 뒤 도착.",
    )
