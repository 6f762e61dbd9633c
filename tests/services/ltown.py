"""L-TOWN with the recorded leaks of BattLeDIM, played in EPANET (wntr): what its sensors would tell.

The readings of the competition were not to be had, so they are made: the network of the competition
with the recorded flow of each leak, half way along its pipe. So that the network is not the one that
the service is told of, roughness and demands differ by up to 10 % pipe by pipe and junction by
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
TOLD = timedelta(minutes=30)  # means over it are told
PRESSURE_M, FLOW_SHARE, LEVEL_M = 0.02, 0.005, 0.01  # noise of a mean
INLETS, PUMP, TANK = ("p227", "p235"), "PUMP_1", "T1"
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
            Leak(row["Pipe"], row["Leak Type"].strip() == "abrupt", instant(row["Leak Start"]),
                 instant(row["Leak End"]), instant(row["Peak Time"]))
            for row in (dict(zip(("Pipe", *list(one)[1:]), one.values(), strict=True))
                        for one in csv.DictReader(file))
        ]  # fmt: skip


def marked(data: Path, mark: str) -> list[str]:
    """Return the junctions that the network file marks, such as as ``PRESSURE SENSOR``."""
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


def _wavering(rng: np.random.Generator, steps: int, many: int) -> Array:
    """Return factors of demand: by time and neighbourhood; hours, days and weeks waver."""
    found = np.ones((steps, many))
    for size, length in ((0.06, 8), (0.04, 96), (0.03, 96 * 7)):
        knots = rng.normal(0, size, (steps // length + 2, many))
        at = np.arange(steps) / length
        low = at.astype(int)
        share = (at - low)[:, None]
        found += knots[low] * (1 - share) + knots[low + 1] * share
    return np.maximum(found, 0.2)


def _network(data: Path, some: list[Leak], rng: np.random.Generator, folder: Path) -> Any:
    """Write the network with its differences; return its model and the neighbourhood by junction."""
    import wntr

    model = wntr.network.WaterNetworkModel(str(data / "epanet/L-TOWN.inp"))
    shapes = {name: np.array(one.multipliers) for name, one in model.patterns()}
    for _, pipe in model.pipes():
        pipe.roughness *= rng.uniform(1 - SPREAD, 1 + SPREAD)
    blocks: dict[tuple[int, int], int] = {}
    for number, one in enumerate(some):
        wntr.morph.split_pipe(
            model, one.pipe, f"{one.pipe}_2", f"leak_{number}", return_copy=False
        )
    for name in shapes:
        for block in range(200):
            model.add_pattern(f"{name}_{block}", [1.0])
    for number in range(len(some)):
        model.add_pattern(f"leak_{number}", [0.0])
    for name, junction in model.junctions():
        x, y = junction.coordinates
        place = int(x // NEIGHBOURHOOD_M), int(y // NEIGHBOURHOOD_M)
        block = blocks.setdefault(place, len(blocks))
        old = [(one.base_value, one.pattern_name) for one in junction.demand_timeseries_list]
        junction.demand_timeseries_list.clear()
        for base, pattern in old:
            if base > 0:
                base *= rng.uniform(1 - SPREAD, 1 + SPREAD)
                junction.add_demand(base, f"{pattern}_{block}")
        if name.startswith("leak_"):
            junction.add_demand(1 / HOUR, name)
    for name in shapes:
        for block in range(len(blocks), 200):
            model.remove_pattern(f"{name}_{block}")
    return model, shapes, len(blocks)


def play(data: Path, start: datetime, end: datetime, folder: Path, seed: int = 7) -> Play:
    """Play the leaks into the network.

    Args:
        data: folder ``water`` of the recorded data.
        start: first time; a midnight.
        end: last time.
        folder: for the files of EPANET.
        seed: of what differs and wavers.
    """
    from wntr.epanet.toolkit import ENepanet

    rng = np.random.default_rng(seed)
    some = leaks(data)
    times = [start + STEP * step for step in range((end - start) // STEP)]
    flowing = _flows(data, some, times)
    model, shapes, many = _network(data, some, rng, folder)
    model.options.time.duration = len(times) * STEP.total_seconds()
    for name in ("hydraulic_timestep", "pattern_timestep", "report_timestep", "quality_timestep"):
        setattr(model.options.time, name, int(STEP.total_seconds()))
    import wntr

    wntr.network.write_inpfile(model, str(folder / "network.inp"), units="CMH")
    weeks = (start - datetime(2018, 1, 1, tzinfo=UTC)) // timedelta(minutes=5)
    place = (weeks + 3 * np.arange(len(times))) % 2016
    days = weeks / 288 + np.arange(len(times)) / 96
    season = 1 + SEASON * np.cos((days - 200) / 365 * 2 * np.pi)  # most in the middle of July
    values: dict[str, Array] = {}
    for name, shape in shapes.items():
        factors = _wavering(rng, len(times), many)
        full = (np.resize(shape, 2016)[place] * season)[:, None] * factors
        values |= {f"{name}_{block}": full[:, block] for block in range(many)}
    values |= {f"leak_{number}": flowing[:, number] for number in range(len(some))}

    pressed, metered = marked(data, "PRESSURE SENSOR"), marked(data, "AMR")
    engine = ENepanet(version=2.2)
    engine.ENopen(str(folder / "network.inp"), str(folder / "a.rpt"), str(folder / "a.bin"))
    library, project = engine.ENlib, engine._project
    indices = {}
    for name in values:
        found = ctypes.c_int()
        if library.EN_getpatternindex(project, name.encode(), ctypes.byref(found)) == 0:
            indices[name] = found.value
    used = [(index, values[name]) for name, index in indices.items()]
    nodes = [engine.ENgetnodeindex(name) for name in pressed]
    meters = [engine.ENgetnodeindex(name) for name in metered]
    links = [engine.ENgetlinkindex(name) for name in (*INLETS, PUMP)]
    tank = engine.ENgetnodeindex(TANK)
    PRESSURE, DEMAND, FLOW, = 11, 9, 8

    told = np.zeros((len(times), len(pressed) + 5))
    engine.ENopenH()
    engine.ENinitH(0)
    step_s = int(STEP.total_seconds())
    double = ctypes.c_double
    while True:
        now = int(library_time(library, project))
        row = min(now // step_s, len(times) - 1)
        for index, series in used:
            library.EN_setpatternvalue(project, index, 1, double(series[row]))
        now = engine.ENrunH()
        reading = [engine.ENgetlinkvalue(index, FLOW) for index in links]
        if now % step_s == 0 and now // step_s < len(times):
            row = now // step_s
            told[row, : len(nodes)] = [engine.ENgetnodevalue(i, PRESSURE) for i in nodes]
            told[row, -2] = engine.ENgetnodevalue(tank, PRESSURE)
            told[row, -1] = sum(engine.ENgetnodevalue(i, DEMAND) for i in meters)
        passed = engine.ENnextH()
        if passed <= 0 or row >= len(times) - 1:
            break
        told[row, -5:-2] += np.array(reading) * passed / step_s
    engine.ENcloseH()
    engine.ENclose()
    whole = len(times) // 2 * 2
    told = told[:whole].reshape(whole // 2, 2, -1).mean(axis=1)
    flowing = flowing[:whole].reshape(whole // 2, 2, -1).mean(axis=1)
    told[:, : len(nodes)] += rng.normal(0, PRESSURE_M, (len(told), len(nodes)))
    told[:, -5:-2] *= rng.normal(1, FLOW_SHARE, (len(told), 3))
    told[:, -2] += rng.normal(0, LEVEL_M, len(told))
    return Play(start, [*pressed, *INLETS, PUMP, TANK, "metered"], told.round(2), flowing)


def library_time(library: Any, project: Any) -> int:
    """Return the time that EPANET has come to. [s]"""
    found = ctypes.c_long()
    library.EN_gettimeparam(project, 14, ctypes.byref(found))  # EN_HTIME
    return found.value
