"""Water at home: a meter whose flow never pauses tells of a leak, and what to look at.

Readings are ``WaterConsumptionObserved.waterConsumption``, in m3, or in litres with the unit code
``LTR``. What is found is written in the words of that model; see
:mod:`madang.services.water.meter` for the rule.
"""

from __future__ import annotations

from madang.services.city import Change, City
from madang.services.records import text
from madang.services.service import Indicator, LocalOptions, Service, Text, option
from madang.services.water import meter as water_meter
from madang.services.water.meter import HOUR, Meter

DAY_H = 24
MOST_METERS = 100_000


class HomeOptions(LocalOptions):
    """When a leak behind a meter is told."""

    patience_hours: int = option(
        24, "Hours without pause", "연속 사용 시간", "So long a flow is no leak. [h]", ge=6, le=168
    )
    least_flow: float = option(
        0.0, "Smallest flow", "최소 유량",
        "So little between two readings counts as a pause, for meters that creep. [l]",
        ge=0, le=100,
    )  # fmt: skip
    price: float = option(2.0, "Price", "요금", "Of a cubic metre, with waste water.", ge=0, le=1e6)
    currency: str = option("EUR", "Currency", "통화", "Code of ISO 4217.", pattern="^[A-Z]{3}$")


service = Service(
    "water_home",
    title=Text("Leaks at home", "가정 누수"),
    purpose=Text(
        "Tells households of taps, cisterns and pipes that leak, before the bill does.",
        "수도꼭지, 변기, 배관의 누수를 요금 고지서보다 먼저 알려 줍니다.",
    ),
    category="housing",
    needs=["WaterConsumptionObserved"],
    gives=["WaterConsumptionObserved"],
    options=HomeOptions,
    indicators=[
        Indicator("leaking", Text("Homes that leak", "누수 가구"), "C62", "lower"),
        Indicator("stopped", Text("Leaks that were stopped", "해결된 누수"), "C62", "higher"),
    ],
    operator=Text("The water utility", "상수도사업본부"),
    cost=Text("Smart water meters read every hour.", "한 시간마다 읽는 스마트 수도 계량기."),
)


@service.on("WaterConsumptionObserved", attributes=["waterConsumption"])
async def reading(city: City, change: Change) -> None:
    """Take over a reading, and tell what it says about the pipes behind the meter."""
    value = change.put["waterConsumption"]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12:
        return
    unit = change.put.attribute("waterConsumption").get("unitCode")
    litres = float(value) if unit == "LTR" else value * 1000.0
    at = int((change.put.observed("waterConsumption") or city.now).timestamp())
    meters: dict[str, Meter] = city.state.setdefault("meters", {})
    meter = meters.get(change.id)
    if meter is None:
        if len(meters) < MOST_METERS:
            meters[change.id] = water_meter.new(litres, at)
        return
    if at < meter["at"]:  # an old reading that came late
        return
    options: HomeOptions = city.options
    news = water_meter.read(meter, litres, at, options.patience_hours, options.least_flow)
    if news == "over":
        _stopped(city, change)
    elif news:
        _leaks(city, change, meter)
    if news:
        city.measure("leaking", sum(1 for one in meters.values() if one["told"]))


def _leaks(city: City, change: Change, meter: Meter) -> None:
    words = advice(meter, city.options)
    hours = (meter["at"] - meter["since"]) // HOUR
    city.update(
        change.id, "WaterConsumptionObserved",
        alarmInProgress=1, alarmFlowPersistence="In progress impacting persistence",
        persistenceFlowDuration=duration(hours), minFlow=round(meter["least"]),
        advice=text(words),
    )  # fmt: skip
    burst = meter["told"] == "burst"
    city.alert(
        change.id.rpartition(":")[2], kind="waterLeakAtHome", title=TITLE, text=words,
        severity="high" if burst else "medium", about=[change.put],
    )  # fmt: skip


def _stopped(city: City, change: Change) -> None:
    city.state["stopped"] = city.state.get("stopped", 0) + 1
    city.measure("stopped", city.state["stopped"])
    city.update(
        change.id, "WaterConsumptionObserved",
        alarmInProgress=0, alarmFlowPersistence="Past Persistence during the period",
    )  # fmt: skip
    city.remove(change.id, "WaterConsumptionObserved", "advice")
    city.end_alert(change.id.rpartition(":")[2])


TITLE = Text("Water flows without a pause", "물이 쉬지 않고 흐릅니다")
_ADVICE = {
    "drip": Text(
        "Probably a dripping tap or valve: tighten it or change its washer.",
        "수도꼭지나 밸브에서 물이 떨어지는 것 같습니다. 조이거나 패킹을 바꾸십시오.",
    ),
    "cistern": Text(
        "Probably the cistern of a toilet: put food colour into it; if the bowl is coloured after "
        "15 minutes, change the seal.",
        "변기 물탱크가 새는 것 같습니다. 물탱크에 식용 색소를 넣고 15분 뒤 변기에 색이 비치면 "
        "고무마개를 바꾸십시오.",
    ),
    "pipe": Text(
        "Probably a pipe, a hose or a tap that was left open: look at once, close the main valve "
        "and call a plumber.",
        "배관이나 호스가 새거나 수도꼭지가 열려 있는 것 같습니다. 바로 확인하고 계량기 밸브를 "
        "잠근 뒤 수리를 부르십시오.",
    ),
}


def advice(meter: Meter, options: HomeOptions) -> Text:
    """Return what a household should know, with figures."""
    if meter["told"] == "burst":
        told, volume = _ADVICE["pipe"], round(meter["most"])
        return Text(
            f"{volume:,} litres flowed within two hours, more than ever before. {told.en}",
            f"두 시간 동안 {volume:,}리터가 흘렀습니다. 전에 없던 양입니다. {told.ko}",
        )
    rate, hours = meter["least"], (meter["at"] - meter["since"]) // HOUR
    day, told = round(rate * DAY_H), _ADVICE[water_meter.kind(rate)]
    year = round(rate * DAY_H * 365 / 1000 * options.price)
    return Text(
        f"For {hours} hours at least {rate:.0f} litres an hour have flowed: {day:,} litres a day, "
        f"{year:,} {options.currency} a year. {told.en}",
        f"{hours}시간 동안 시간당 {rate:.0f}리터 이상 흘렀습니다. 하루 {day:,}리터, "
        f"1년에 {year:,} {options.currency}입니다. {told.ko}",
    )


def duration(hours: float) -> str:
    """Return how long a flow has lasted in the classes of the data model, up to a month.

    >>> duration(25), duration(60)
    ('24h < 2d', '2d < 4d')
    """
    classes: list[tuple[float, str]] = [
        (12, "6h < 12h"), (24, "12h < 24h"), (48, "24h < 2d"), (96, "2d < 4d"), (192, "4d < 8d"),
        (360, "8d < 15d"),
    ]  # fmt: skip
    return next((name for limit, name in classes if hours < limit), "15d < 30d")
