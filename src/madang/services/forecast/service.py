"""Forecasts of any series of the city, with intervals, and an alarm when they are no longer good.

Each forecast says how well the method did on the latest past, beside two that need no model: the
last value again (naive) and the same time a day or a week before (seasonal naive). What then comes
is compared with it. The methods are in :mod:`madang.services.forecast.models`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypedDict

import numpy as np
from pydantic import model_validator

from madang.model import time
from madang.services import records
from madang.services.city import City, Thing
from madang.services.forecast import models as forecast_models
from madang.services.forecast.models import Outlook
from madang.services.forecast.series import (
    DAY,
    SECOND,
    SeriesService,
    Wanted,
    filled,
    key,
    read,
    steps,
)
from madang.services.service import Indicator, LocalOptions, Text, option

FORECAST = "Forecast"
MOST = 500  # series
FEWEST = 20  # values to forecast from
FEWEST_ERRORS = 12  # to judge by
WORSE = 1.5  # times the worst error of the backtest is a drift
HOUR = 3600 * SECOND  # [us]
SAVED = Text("Error below that of the seasonal naive forecast", "계절 단순 예측 대비 오차 감소")
INSIDE = Text("Values within the interval", "예측 구간에 든 값")


class Forecasts(LocalOptions):
    """What is forecast, how far, and how often."""

    series: tuple[Wanted, ...] = option(
        (), "Series", "시계열",
        'Which are forecast: [{"type": "OffStreetParking", "attribute": "occupancy"}].',
        max_length=20,
    )  # fmt: skip
    step_minutes: int = option(
        60, "Step", "간격", "Of the forecast; a part of a day. [min]", ge=5, le=1440
    )
    horizon: int = option(48, "Horizon", "예측 범위", "How many steps ahead.", ge=1, le=336)
    history_days: int = option(
        56, "History", "학습 기간", "So much of the past is learned from. [d]", ge=2, le=730
    )
    coverage: int = option(
        80, "Interval", "예측 구간", "So many of 100 values shall lie in it. [%]", ge=50, le=99
    )
    renew_hours: int = option(
        24, "Renewed", "갱신 주기", "A forecast is made anew after this time. [h]", ge=1, le=168
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if 1440 % self.step_minutes:
            raise ValueError(f"step_minutes {self.step_minutes} is no part of a day; try 60")
        return self


service = SeriesService(
    "forecast",
    title=Text("Forecasts", "예측"),
    purpose=Text(
        "Tells how any figure of the city will go on, how surely, and when that no longer holds.",
        "도시의 어떤 수치든 앞으로의 변화와 그 불확실성을 알려 주고, 예측이 빗나가면 경보합니다.",
    ),
    category="administration",
    gives=[FORECAST, records.ALERT],
    options=Forecasts,
    indicators=[
        Indicator("saved", SAVED, "P1", "higher"),
        Indicator("inside", INSIDE, "P1", "higher"),
    ],
    operator=Text("The department that owns the figures", "해당 수치를 맡은 부서"),
    cost=Text(
        "None beside the hub: some seconds of a processor for each hundred series and renewal.",
        "허브 외 비용 없음: 시계열 100개를 갱신할 때마다 프로세서 몇 초.",
    ),
)  # fmt: skip


class Held(TypedDict):
    """What is kept of a series: its forecast, and how that does."""

    entity: str
    type: str
    attribute: str
    start: int  # of the first step [us since 1970]
    mean: list[float]
    low: list[float]
    high: list[float]
    compared: int  # steps that have been compared with what came
    errors: list[float]  # of the latest steps, of a day at most
    inside: list[int]  # 1 where the value lay in the interval
    promised: float  # mean error of the backtest
    worst: float  # the largest mean error of a forecast in it
    saved: float  # how far the promised error is below that of the seasonal naive forecast [%]
    method: str
    decision: str  # that chose the method
    drifts: bool


@service.every("1h")
async def look(city: City) -> None:
    """Compare what came with the forecasts, and make those anew that are due."""
    step_s = city.options.step_minutes * 60
    now = city.instant // (step_s * SECOND) * step_s * SECOND
    held: dict[str, Held] = city.state.setdefault("series", {})
    for wanted in city.options.series:
        await _compare(city, wanted, held, now, step_s)
    due = city.instant // HOUR % city.options.renew_hours == 0
    if due or not held:
        for wanted in city.options.series:
            await _renew(city, wanted, held, now, step_s)
    _measure(city, held)


async def _compare(
    city: City, wanted: Wanted, held: dict[str, Held], now: int, step_s: int
) -> None:
    ours = {
        one["entity"]: one for one in held.values()
        if (one["type"], one["attribute"]) == (wanted.type, wanted.attribute)
    }  # fmt: skip
    if not ours:
        return
    step = step_s * SECOND
    since = min(one["start"] + one["compared"] * step for one in ours.values())
    came = await read(city, wanted, since, max(now, since), step_s) if since < now else {}
    for entity, one in ours.items():
        begin = one["start"] + one["compared"] * step
        values = came.get(entity, np.empty(0))[(begin - since) // step :]
        for value in values[: len(one["mean"]) - one["compared"]].tolist():
            place = one["compared"]
            one["compared"] += 1
            if value == value:
                one["errors"].append(abs(value - one["mean"][place]))
                one["inside"].append(int(one["low"][place] <= value <= one["high"][place]))
        recent = min(city.options.horizon, steps(DAY, step_s) or city.options.horizon)
        del one["errors"][:-recent]
        del one["inside"][:-recent]
        _judge(city, wanted, entity, one)


def _judge(city: City, wanted: Wanted, entity: str, one: Held) -> None:
    """Raise an alarm if the errors leave what the backtest promised; end it when they are back."""
    errors, name = one["errors"], key(wanted, entity)
    if len(errors) < min(city.options.horizon, FEWEST_ERRORS):
        return
    error, limit = float(np.mean(errors)), WORSE * one["worst"]
    if error > limit and not one["drifts"]:
        one["drifts"] = True
        thing = Thing({"id": entity, "type": wanted.type})
        figures = f"{error:.4g} > {limit:.4g}"
        city.alert(
            name, kind="forecastDrift", severity="medium", about=[thing],
            title=Text(f"Forecast of {name} no longer holds", f"{name} 예측이 더는 맞지 않음"),
            text=Text(
                f"The mean error of the last {len(errors)} steps is {error:.4g}; the backtest "
                f"promised {one['promised']:.4g} and had at most {one['worst']:.4g} ({figures}).",
                f"최근 {len(errors)}단계의 평균 오차는 {error:.4g}입니다. 사후 검증에서는 평균 "
                f"{one['promised']:.4g}, 최대 {one['worst']:.4g}였습니다 ({figures}).",
            ),
        )  # fmt: skip
        city.update(_id(name), FORECAST, status="drifting")
    elif error <= max(one["worst"], one["promised"]) and one["drifts"]:
        one["drifts"] = False
        city.end_alert(name)
        city.update(_id(name), FORECAST, status="ok")


async def _renew(city: City, wanted: Wanted, held: dict[str, Held], now: int, step_s: int) -> None:
    """Forecast all series of a kind together: they learn from each other."""
    options: Forecasts = city.options
    start = now - options.history_days * DAY * SECOND
    found = await read(city, wanted, start, now, step_s)
    series = {id: filled(values, step_s) for id, values in sorted(found.items())[:MOST]}
    late = {id: len(values) - 1 - int(np.flatnonzero(np.isfinite(values))[-1])
            for id, values in found.items() if np.isfinite(values).any()}  # fmt: skip
    fewest = max(FEWEST, 2 * options.horizon)  # to forecast the past once, from as much before it
    series = {id: v for id, v in series.items() if len(v) >= fewest and late[id] < options.horizon}
    if not series:
        return
    outlooks: dict[str, Outlook] = await city.compute(
        forecast_models.outlooks, series, step_s, options.horizon, options.coverage / 100
    )
    for id, outlook in outlooks.items():
        begin = now - late[id] * step_s * SECOND
        before = held.get(key(wanted, id))
        held[key(wanted, id)] = {
            "entity": id, "type": wanted.type, "attribute": wanted.attribute, "start": begin,
            "mean": outlook.mean, "low": outlook.low, "high": outlook.high,
            "compared": late[id],
            "errors": before["errors"] if before else [],
            "inside": before["inside"] if before else [],
            "promised": outlook.backtest["error"], "worst": outlook.backtest["worst"],
            "saved": _percent(outlook.backtest), "method": outlook.method,
            "decision": _decided(city, wanted, id, outlook, before),
            "drifts": before["drifts"] if before else False,
        }  # fmt: skip
        _tell(city, wanted, id, outlook, begin, step_s)


def _tell(city: City, wanted: Wanted, id: str, outlook: Outlook, begin: int, step_s: int) -> None:
    """Write the forecast; its values are those of steps that begin at these times."""
    times = [time.render(begin + n * step_s * SECOND) for n in range(len(outlook.mean))]
    rows = [
        {"time": at, "value": mean, "low": low, "high": high}
        for at, mean, low, high in zip(times, outlook.mean, outlook.low, outlook.high, strict=True)
    ]
    city.update(
        _id(key(wanted, id)), FORECAST,
        forecastOf=records.link(id), forecastAttribute=wanted.attribute,
        dateIssued=records.moment(city.instant),
        validFrom=records.moment(begin),
        validTo=records.moment(begin + len(rows) * step_s * SECOND),
        step={"type": "Property", "value": step_s, "unitCode": "SEC"},
        coverage={"type": "Property", "value": city.options.coverage, "unitCode": "P1"},
        forecast=records.json(rows), method=outlook.method,
        backtest=records.json(outlook.backtest),
        skill={"type": "Property", "value": _percent(outlook.backtest), "unitCode": "P1"},
        status="ok",
    )  # fmt: skip


def _decided(city: City, wanted: Wanted, id: str, outlook: Outlook, before: Held | None) -> str:
    """Tell what came of the method that was chosen before; choose another if that is better now."""
    if before and before["errors"]:
        inside = 100 * sum(before["inside"]) / len(before["inside"])
        error = float(f"{np.mean(before['errors']):.4g}")
        city.learn(before["decision"], meanError=error, inside=round(inside, 1))
    if before and before["method"] == outlook.method:
        return before["decision"]
    found, name = outlook.backtest, key(wanted, id)
    return city.decide(
        Text(
            f"{name} is forecast by {outlook.method}: mean error {found['error']:.4g} in "
            f"{found['origins']} forecasts of the past, seasonal naive "
            f"{found['seasonalNaive']:.4g}, naive {found['naive']:.4g}",
            f"{name}은(는) {outlook.method}(으)로 예측: 과거 {found['origins']}회 예측의 평균 오차 "
            f"{found['error']:.4g}, 계절 단순 예측 {found['seasonalNaive']:.4g}, 단순 예측 "
            f"{found['naive']:.4g}",
        ),
        because=[(Thing({"id": id, "type": wanted.type}), wanted.attribute)],
        expects={"meanError": found["error"], "inside": found["inside"]},
    )


def _measure(city: City, held: Mapping[str, Held]) -> None:
    saved = [one["saved"] for one in held.values()]
    if saved:
        city.measure("saved", round(sum(saved) / len(saved), 1))
    inside = [one for held_one in held.values() for one in held_one["inside"]]
    if inside:
        city.measure("inside", round(100 * sum(inside) / len(inside), 1))


def _percent(backtest: Mapping[str, Any]) -> float:
    """Return how much smaller the error is than the seasonal naive forecast's. [%]"""
    naive = backtest["seasonalNaive"]
    return round(100 * (1 - backtest["error"] / naive), 1) if naive else 0.0


def _id(name: str) -> str:
    return f"urn:ngsi-ld:{FORECAST}:{name}"
