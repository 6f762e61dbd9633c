"""What signs and records of a crossing say, in English and Korean."""

from __future__ import annotations

from collections.abc import Sequence

from madang.services.crossing.watch import COMING, ON_RED, Rules, Warning
from madang.services.service import Text

_SIGN = {
    ON_RED: Text("Red light: do not cross.", "빨간불입니다. 건너지 마세요."),
    COMING: Text("Take care: a vehicle is coming.", "차량이 다가옵니다. 조심하세요."),
}
_WHY = {
    ON_RED: Text("people are on the crossing at red", "적신호에 횡단보도에 사람이 있습니다"),
    COMING: Text(
        "a vehicle has to brake now for people on the crossing",
        "횡단보도에 사람이 있어 다가오는 차량이 지금 제동해야 합니다",
    ),
}


def sign(reasons: Sequence[str]) -> Text:
    """Return what a sign shows, the most urgent only: nobody reads two sentences there."""
    return _SIGN[COMING if COMING in reasons else ON_RED]


def warned(name: str, warning: Warning) -> Text:
    """Return the sentence of the decision to warn."""
    whys = [_WHY[reason] for reason in warning["reasons"]]
    near = warning["nearest_s"]
    en = f"{name}: " + ", and ".join(why.en for why in whys)
    ko = f"{name}: " + ". ".join(why.ko for why in whys)
    if near is not None:
        en += f" ({near:.1f} s away)"
        ko += f" ({near:.1f}초 거리)"
    return Text(f"{en}: warned.", f"{ko}. 경고를 보냈습니다.")


def often(name: str, misses: int, rules: Rules) -> Text:
    """Return the title of the alert that a crossing is dangerous."""
    days, ko = rules.alert_days, "하루" if rules.alert_days == 1 else f"{rules.alert_days}일"
    return Text(
        f"{misses} near misses at {name} within {'a day' if days == 1 else f'{days} days'}",
        f"{name}: {ko} 동안 아차사고 {misses}건",
    )


HELP = Text(
    "Vehicles came too near to people on the crossing. Look at its sight lines, its signal times"
    " and the speed of vehicles there.",
    "횡단보도의 사람에게 차량이 지나치게 가까이 접근했습니다."
    " 시야, 신호 시간, 차량 속도를 점검하세요.",
)
