"""What care workers read, in English and Korean."""

from __future__ import annotations

from datetime import datetime

from madang.services.city import Thing
from madang.services.service import Text

_DAYS = ["Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays"]
_DAYS_KO = "월화수목금토일"


def title(plug: Thing) -> Text:
    """Return a few words; the plug is named, the person is not."""
    name = plug["name"] if isinstance(plug["name"], str) else plug.id.rpartition(":")[2]
    return Text(f"No usual activity: {name}", f"평소 활동 없음: {name}")


def quiet(since: datetime, now: datetime, start: int | None) -> Text:
    """Return since when there has been no activity, and when there usually is.

    Args:
        since: end of the last activity, by the clock of the city.
        now: by the same clock.
        start: half hour of the day by which somebody has usually acted; None if not known.
    """
    days = (now.date() - since.date()).days
    when = f"{since:%H:%M}"
    en = {0: f"{when} today", 1: f"{when} yesterday"}.get(days, f"{since:%Y-%m-%d %H:%M}")
    ko = {0: f"오늘 {when}", 1: f"어제 {when}"}.get(days, f"{since:%Y-%m-%d %H:%M}")
    if start is None:
        return Text(
            f"No activity since {en}. Please look.", f"{ko} 이후 활동이 없습니다. 확인해 주십시오."
        )
    usual, day = f"{start // 2:02}:{start % 2 * 30:02}", now.weekday()
    return Text(
        f"Usually active by {usual} on {_DAYS[day]}, nothing since {en}. Please look.",
        f"{_DAYS_KO[day]}요일에는 보통 {usual} 전에 활동이 있는데 {ko} 이후 없습니다. "
        "확인해 주십시오.",
    )


def silent(hours: int) -> tuple[Text, Text]:
    """Return title and text of a plug that does not send."""
    return (
        Text("A care plug sends nothing", "돌봄 플러그 응답 없음"),
        Text(
            f"No reading for {hours} hours: nobody is watched. Look at plug and network.",
            f"{hours}시간 동안 값이 없어 활동을 볼 수 없습니다. 플러그와 통신을 확인하십시오.",
        ),
    )
