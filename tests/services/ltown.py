"""L-TOWN with the recorded leaks of BattLeDIM, played in EPANET (wntr), as its sensors would tell.

The readings of the competition were not to be had, so they are made: the network of the competition
with the recorded flow of each leak, half way along its pipe. So that it is not the network that the
service is told of, roughness and demands differ by up to 10 % pipe by pipe and junction by
junction, the demand of each neighbourhood wavers by the hour, the day and the week, and all of it
by the season. Sensors have noise and are rounded to centimetres.

Source: S. G. Vrachimis et al., Battle of the Leakage Detection and Isolation Methods, Journal of
Water Resources Planning and Management 148 (2022) 04022068. Leaks that began in 2018 grow from
their start to their peak there, in a straight line; of 2018 no flows are recorded.
"""

from __future__ import annotations

import csv
import ctypes
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

STEP = timedelta(minutes=15)  # of EPANET
PRESSURE_M, FLOW_SHARE, LEVEL_M = 0.02, 0.005, 0.01  # noise of a mean
INLETS, PUMP, TANK = ("p227", "p235"), "PUMP_1", "T1"
PRESSED, METERED = "PRESSURE SENSOR", "AMR"  # marks in the network file
DEMAND, PRESSURE, FLOW = 9, 11, 8  # codes of EPANET
HOUR = 3600
SEASON, SPREAD = 0.08, 0.1
NEIGHBOURHOOD_M = 250.0

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Leak:
    """One of the 23."""

    pipe: str
    abrupt: bool
    start: datetime
    end: datetime
    peak: datetime


@dataclass(frozen=True)
class Play:
    """What was told, every half hour."""

    start: datetime
    sensors: list[str]
    """Names: junctions, the inlets, the pump, the tank and ``metered``."""
    told: Array
    """By time and sensor: pressure [m], flow [m3/h], level [m], consumption of area C [m3/h]."""
    leaking: Array
    """By time and leak. [m3/h]"""


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def leaks(data: Path) -> list[Leak]:
    """Return the leaks of the competition, in order of their start."""
    with (data / "battledim/leaks_2019.csv").open() as file:
        return [
            Leak(row["Leak Pipe"], row["Leak Type"].strip() == "abrupt", instant(row["Leak Start"]),
                 instant(row["Leak End"]), instant(row["Peak Time"]))
            for row in csv.DictReader(file)
        ]  # fmt: skip


def marked(data: Path, mark: str) -> list[str]:
    """Return the junctions that the network file marks, such as ``PRESSURE SENSOR``."""
    lines = (data / "epanet/L-TOWN.inp").read_text().partition("[RESERVOIRS]")[0].splitlines()
    return [line.split()[0] for line in lines if mark in line.partition(";")[2]]


def _flows(data: Path, some: list[Leak], times: list[datetime]) -> Array:
    """Return the flow of each leak. [m3/h]"""
    frame = pl.read_parquet(data / "battledim/leak_flows_2019_5min.parquet")
    recorded = frame.select([one.pipe for one in some]).to_numpy()
    found = np.zeros((len(times), len(some)))
    year = datetime(2019, 1, 1, tzinfo=UTC)
    first = recorded[: 7 * 288].mean(axis=0)
    for row, now in enumerate(times):
        if now >= year:
            place = min(int((now - year) / timedelta(minutes=5)), len(recorded) - 1)
            found[row] = recorded[place]
            continue
        for column, one in enumerate(some):
            if one.start <= now:
                grown = (now - one.start) / (one.peak - one.start)
                found[row, column] = first[column] * min(grown, 1.0)
    return found


def _wavering(rng: np.random.Generator, steps: int) -> Array:
    """Return factors of the demand of a neighbourhood: hours, days and weeks waver."""
    found = np.ones(steps)
    for size, length in ((0.06, 8), (0.04, 96), (0.03, 96 * 7)):
        knots = rng.normal(0, size, steps // length + 2)
        found += np.interp(np.arange(steps) / length, np.arange(len(knots)), knots)
    return np.maximum(found, 0.2)


def _network(
    data: Path, some: list[Leak], rng: np.random.Generator
) -> tuple[Any, dict[str, Array]]:
    """Return the network that is played, and a week of each pattern as the file has it.

    Each neighbourhood has patterns of its own, of one value, which is set as time passes.
    """
    import wntr

    model = wntr.network.WaterNetworkModel(str(data / "epanet/L-TOWN.inp"))
    shapes = {name: np.resize(one.multipliers, 2016) for name, one in model.patterns()}
    for _, pipe in model.pipes():
        pipe.roughness *= rng.uniform(1 - SPREAD, 1 + SPREAD)
    for number, one in enumerate(some):
        name = f"leak_{number}"
        wntr.morph.split_pipe(model, one.pipe, f"{one.pipe}_2", name, return_copy=False)
    for name, junction in model.junctions():
        if name.startswith("leak_"):
            model.add_pattern(name, [0.0])
            wanted = [(1 / HOUR, name)]
        else:
            place = "_".join(str(int(one // NEIGHBOURHOOD_M)) for one in junction.coordinates)
            wanted = [
                (
                    one.base_value * rng.uniform(1 - SPREAD, 1 + SPREAD),
                    f"{one.pattern_name}_{place}",
                )
                for one in junction.demand_timeseries_list
                if one.base_value > 0
            ]
        junction.demand_timeseries_list.clear()
        for base, pattern in wanted:
            if pattern not in model.pattern_name_list:
                model.add_pattern(pattern, [1.0])
            junction.add_demand(base, pattern)
    return model, shapes


def play(data: Path, start: datetime, end: datetime, folder: Path, seed: int = 7) -> Play:
    """Play the leaks into the network.

    Args:
        data: folder ``water`` of the recorded data.
        start: first time; a midnight.
        end: last time.
        folder: for the files of EPANET.
        seed: of what differs and wavers.
    """
    rng = np.random.default_rng(seed)
    some = leaks(data)
    times = [start + STEP * step for step in range((end - start) // STEP)]
    flowing = _flows(data, some, times)
    model, shapes = _network(data, some, rng)
    values = {f"leak_{number}": flowing[:, number] for number in range(len(some))}
    values |= _demands(model, shapes, start, len(times), rng)
    told = _run(data, model, values, len(times), folder)
    whole = len(times) // 2 * 2
    told, flowing = (one[:whole].reshape(whole // 2, 2, -1).mean(axis=1) for one in (told, flowing))
    told[:, :-5] += rng.normal(0, PRESSURE_M, (len(told), told.shape[1] - 5))
    told[:, -5:-2] *= rng.normal(1, FLOW_SHARE, (len(told), 3))
    told[:, -2] += rng.normal(0, LEVEL_M, len(told))
    names = [*marked(data, PRESSED), *INLETS, PUMP, TANK, "metered"]
    return Play(start, names, told.round(2), flowing)


def _demands(
    model: Any, shapes: dict[str, Array], start: datetime, steps: int, rng: np.random.Generator
) -> dict[str, Array]:
    """Return the value of each pattern of a neighbourhood at each step."""
    monday = datetime(2018, 1, 1, tzinfo=UTC)
    minutes = (start - monday) // timedelta(minutes=5) + 3 * np.arange(steps)
    season = 1 + SEASON * np.cos((minutes / 288 - 200) / 365 * 2 * np.pi)  # most in July
    found = {}
    for name in model.pattern_name_list:
        kind = name.split("_")[0]
        if kind in shapes and name != kind:
            found[name] = shapes[kind][minutes % 2016] * season * _wavering(rng, steps)
    return found


def _run(data: Path, model: Any, values: dict[str, Array], steps: int, folder: Path) -> Array:
    """Return what there is at the sensors without noise; flows are means over each step."""
    import wntr
    from wntr.epanet.toolkit import ENepanet

    step_s = int(STEP.total_seconds())
    model.options.time.duration = steps * step_s
    for name in ("hydraulic_timestep", "pattern_timestep", "report_timestep", "quality_timestep"):
        setattr(model.options.time, name, step_s)
    network = str(folder / "network.inp")
    wntr.network.write_inpfile(model, network, units="CMH")
    engine = ENepanet(version=2.2)
    engine.ENopen(network, str(folder / "network.rpt"), str(folder / "network.bin"))
    library, project = engine.ENlib, engine._project
    patterns = [(_index(engine, name), series) for name, series in values.items()]
    pressed = [engine.ENgetnodeindex(name) for name in marked(data, PRESSED)]
    meters = [engine.ENgetnodeindex(name) for name in marked(data, METERED)]
    links = [engine.ENgetlinkindex(name) for name in (*INLETS, PUMP)]
    tank = engine.ENgetnodeindex(TANK)
    found = np.zeros((steps, len(pressed) + 5))
    engine.ENopenH()
    engine.ENinitH(0)
    clock, passed = 0, 1
    while passed > 0 and clock < steps * step_s:
        row = clock // step_s
        for index, series in patterns:
            library.EN_setpatternvalue(project, index, 1, ctypes.c_double(series[row]))
        engine.ENrunH()
        if clock % step_s == 0:
            found[row, :-5] = [engine.ENgetnodevalue(one, PRESSURE) for one in pressed]
            found[row, -2] = engine.ENgetnodevalue(tank, PRESSURE)
            found[row, -1] = sum(engine.ENgetnodevalue(one, DEMAND) for one in meters)
        flows = np.array([engine.ENgetlinkvalue(one, FLOW) for one in links])
        passed = engine.ENnextH()  # shorter than a step where the pump is switched
        found[row, -5:-2] += flows * passed / step_s
        clock += passed
    engine.ENcloseH()
    engine.ENclose()
    return found


def _index(engine: Any, pattern: str) -> int:
    found = ctypes.c_int()
    engine.ENlib.EN_getpatternindex(engine._project, pattern.encode(), ctypes.byref(found))
    assert found.value > 0, f"EPANET does not know the pattern {pattern}"
    return found.value
