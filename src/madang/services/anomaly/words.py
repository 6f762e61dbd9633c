"""What an anomaly is, in words: what was expected, what came, and by which sign it was seen."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from madang.services.anomaly.detector import KEEP, SHIFT, Finding, Sign
from madang.services.service import Text

TITLES: dict[Sign, Text] = {
    "level": Text("unusual level", "평소와 다른 수준"),
    "shift": Text("the level has shifted", "수준이 옮겨 감"),
    "spread": Text("unusual scatter", "평소와 다른 흩어짐"),
    "day": Text("unusual for the time of the day", "하루 중 이 시각답지 않음"),
    "week": Text("unusual for the time of the week", "한 주 중 이 시각답지 않음"),
    "flat": Text("the same value again and again", "같은 값이 되풀이됨"),
}


def explained(
    name: str, value: float, finding: Finding, attribute: dict[str, Any]
) -> tuple[Text, Text]:
    """Return title and text of an anomaly.

    Args:
        name: of the series.
        value: that came.
        finding: what is thought of it.
        attribute: the whole attribute, for its unit.

    >>> found = Finding(1.2, "level", 10.0, 30.5, 41.25)
    >>> explained("Well:level:7", 41.25, found, {"unitCode": "CMT"})[1].en
    '41.25 CMT came; 10 to 30.5 was expected, the range of all values so far. Score 1.2.'
    """
    unit = f" {attribute['unitCode']}" if "unitCode" in attribute else ""
    low, high, came = f"{finding.low:.4g}", f"{finding.high:.4g}{unit}", f"{finding.came:.4g}{unit}"
    now = f"{value:.4g}{unit}"
    about = {
        "level": Text(
            f"{now} came; {low} to {high} was expected, the range of all values so far.",
            f"{now}이(가) 들어왔습니다. 지금까지의 범위인 {low}~{high}이(가) 예상되었습니다.",
        ),
        "shift": Text(
            f"The last {SHIFT} values have a mean of {came}; {low} to {high} was expected.",
            f"최근 {SHIFT}개 값의 평균은 {came}입니다. {low}~{high}이(가) 예상되었습니다.",
        ),
        "spread": Text(
            f"The last {KEEP} values scatter by {came}; at most {high} was expected.",
            f"최근 {KEEP}개 값이 {came}만큼 흩어졌습니다. 많아야 {high}이(가) 예상되었습니다.",
        ),
        "day": Text(
            f"{now} came; {low} to {high} is usual at this time of the day, and the latest values "
            "were far from it too.",
            f"{now}이(가) 들어왔습니다. 하루 중 이 시각에는 {low}~{high}이(가) 보통이며, 최근 값도 "
            "크게 벗어났습니다.",
        ),
        "week": Text(
            f"{now} came; {low} to {high} is usual at this time of the week, and the latest values "
            "were far from it too.",
            f"{now}이(가) 들어왔습니다. 한 주 중 이 시각에는 {low}~{high}이(가) 보통이며, 최근 "
            "값도 크게 벗어났습니다.",
        ),
        "flat": Text(
            f"{now} came {finding.came:.0f} times in a row; at most {finding.high:.0f} times was "
            "expected, the most so far.",
            f"{now}이(가) {finding.came:.0f}번 잇따라 들어왔습니다. 지금까지는 많아야 "
            f"{finding.high:.0f}번이었습니다.",
        ),
    }[finding.sign]
    title = TITLES[finding.sign]
    score = f"{finding.score:.3g}"
    return (
        Text(f"{name}: {title.en}", f"{name}: {title.ko}"),
        Text(f"{about.en} Score {score}.", f"{about.ko} 점수 {score}."),
    )


def silent(name: str, passed: timedelta, interval: float) -> tuple[Text, Text]:
    """Return title and text of a series from which nothing comes.

    Args:
        name: of the series.
        passed: since the last value.
        interval: usual one. [s]
    """
    minutes, usual = passed.total_seconds() / 60, interval / 60
    return (
        Text(f"{name}: nothing comes", f"{name}: 값이 들어오지 않음"),
        Text(
            f"Nothing has come for {minutes:.3g} minutes; a value every {usual:.3g} minutes was "
            "expected.",
            f"{minutes:.3g}분 동안 값이 없습니다. {usual:.3g}분마다 값이 예상되었습니다.",
        ),
    )
