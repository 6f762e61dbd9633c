"""Measures the anomaly service on the Numenta Anomaly Benchmark (NAB), by the benchmark's rules.

``python bench/nab.py`` plays the 58 files through the detector of the service, one value at a time,
and prints its scores beside the published ones. Of a file the detector is told what the benchmark
tells each: how long the probationary beginning is. ``--published FOLDER`` scores the detections of
other detectors that the benchmark publishes (its folder ``results``) with this scorer.
"""

from __future__ import annotations

import argparse
import csv
import io
import os
import sys
import time
import zipfile
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.nab_score import PROFILES, Result, Window, probation, score
from madang.services.anomaly import detector as anomaly_detector

HERE = Path(__file__).parents[1]
DATA = Path(os.environ.get("MADANG_TEST_DATA") or HERE.parent / "shared" / "data")
FOLDER = DATA / "benchmarks" / "nab"
ONLINE = {
    "ARTime": "knows least, greatest value and length of each file beforehand",
    "numenta": "HTM; knows least and greatest value beforehand",
    "contextOSE": "CAD OSE; knows least and greatest value beforehand",
    "htmjava": "HTM; knows least and greatest value beforehand",
    "earthgeckoSkyline": "",
    "knncad": "",
    "relativeEntropy": "knows least and greatest value beforehand",
    "windowedGaussian": "",
}
"""Open detectors of the published table that see one value at a time."""


class File(NamedTuple):
    """One file of the benchmark."""

    times: list[float]  # [s since 1970]
    values: list[float]
    windows: Sequence[Window]


def corpus(names: Iterable[str] = ()) -> dict[str, File]:
    """Return the files by name, or some of them."""
    windows = orjson.loads((FOLDER / "combined_windows.json").read_bytes())
    with zipfile.ZipFile(FOLDER / "nab_data.zip") as zipped:
        return {name: _file(zipped, name, windows[name]) for name in sorted(names or windows)}


def _file(zipped: zipfile.ZipFile, name: str, windows: list[list[str]]) -> File:
    with zipped.open(f"data/{name}") as raw:
        rows = list(csv.reader(io.TextIOWrapper(raw)))[1:]
    place = {text: n for n, (text, _) in reversed(list(enumerate(rows)))}
    times = [datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() for text, _ in rows]
    labels = [(place[first[:19]], place[last[:19]]) for first, last in windows]
    return File(times, [float(value) for _, value in rows], labels)


def detected(file: File) -> NDArray[np.float64]:
    """Return the detector's scores of a file, 0 to 1; its usual threshold lies at 0.5."""
    state, learn = anomaly_detector.begin(), probation(len(file.values))
    found = (
        anomaly_detector.step(state, at, value, learn).score
        for at, value in zip(file.times, file.values, strict=True)
    )
    return np.array([one / (1 + one) for one in found])


def published(folder: Path, detector: str, files: Iterable[str]) -> dict[str, NDArray[np.float64]]:
    """Return the published scores of a detector by file."""
    found = {}
    for name in files:
        group, _, file = name.partition("/")
        with (folder / detector / group / f"{detector}_{file}").open() as text:
            found[name] = np.array([float(row["anomaly_score"]) for row in csv.DictReader(text)])
    return found


def scored(scores: dict[str, NDArray[np.float64]], files: dict[str, File]) -> dict[str, Result]:
    """Return the results under each profile."""
    pairs = {name: (scores[name], files[name].windows) for name in scores}
    return {name: score(pairs, profile) for name, profile in PROFILES.items()}


def halves(scores: dict[str, NDArray[np.float64]], files: dict[str, File]) -> list[float]:
    """Return the standard scores of every other file, each half with a threshold of its own."""
    names = sorted(files)
    parts = [{name: (scores[name], files[name].windows) for name in names[n::2]} for n in (0, 1)]
    return [score(part, PROFILES["standard"]).score for part in parts]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--published", type=Path, help="folder results of the benchmark")
    given = parser.parse_args()
    files = corpus()
    told = orjson.loads((FOLDER / "final_results.json").read_bytes())
    table = Table("detector", *PROFILES, "")
    began = time.process_time()
    scores = {name: detected(file) for name, file in files.items()}
    took = time.process_time() - began
    ours = scored(scores, files)
    table.add_row("Madang", *(f"{one.score:.2f}" for one in ours.values()), "")
    for name, note in sorted(ONLINE.items(), key=lambda one: -told[one[0]]["standard"]):
        table.add_row(name, *(f"{told[name][profile]:.2f}" for profile in PROFILES), note)
        if given.published:
            again = scored(published(given.published, name, files), files)
            figures = [f"{one.score:.2f}" for one in again.values()]
            table.add_row("", *figures, "the same detections by this scorer")
    console = Console(width=120)
    console.print(table)
    best = ours["standard"]
    console.print(
        f"threshold {best.threshold:.4f}, windows hit {best.hits}, false detections {best.false}; "
        f"halves of the files {', '.join(f'{one:.1f}' for one in halves(scores, files))}"
    )
    count = sum(len(file.values) for file in files.values())
    console.print(
        f"{count:,} values in {took:.0f} s of processor: {1e6 * took / count:.0f} us each"
    )
    return 0 if best.score > max(told[name]["standard"] for name in ONLINE) else 1


if __name__ == "__main__":
    sys.exit(main())
