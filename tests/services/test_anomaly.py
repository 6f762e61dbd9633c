"""Anomalies: what is found, why, by the rules of the Numenta benchmark, and told as alerts."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bench import nab, nab_left_out
from bench.nab_score import PROFILES, probation, score, worth
from madang.services.anomaly import detector
from madang.services.anomaly.detector import Finding
from madang.services.anomaly.service import service
from madang.services.played import Played, at
from tests.recorded import needs

Values = NDArray[np.float64]

NAB = "benchmarks/nab/nab_data.zip"
MINUTE = 60_000_000
START = at("2026-03-02 00:00")
WELL = "urn:ngsi-ld:Well:7"
STANDARD = PROFILES["standard"]
NONE = np.zeros(100)


def course(count: int, step_s: int = 900) -> list[float]:
    """Return a daily course with a little noise."""
    noise = np.random.default_rng(7).normal(0, 0.5, count)
    seconds = np.arange(count) * step_s
    found: list[float] = (20 + 8 * np.sin(2 * math.pi * seconds / 86_400) + noise).tolist()
    return found


def judged(values: list[float], step_s: int = 900, learn: int = 400) -> list[Finding]:
    state = detector.begin()
    return [detector.step(state, n * step_s, one, learn) for n, one in enumerate(values)]


def found(findings: list[Finding]) -> list[int]:
    return [n for n, one in enumerate(findings) if one.score >= 1]


# --- the detector -------------------------------------------------------------------------------


def test_a_daily_course_with_noise_is_usual() -> None:
    assert len(found(judged(course(3000)))) <= 4


def test_a_value_outside_of_all_before_is_an_unusual_level() -> None:
    values = course(1500)
    values[1200] = 60.0
    findings = judged(values)
    assert findings[1200].score > 1
    assert findings[1200].sign == "level"
    assert 9 < findings[1200].low < findings[1200].high < 31
    assert findings[1200].came == 60


def test_a_day_without_its_peak_is_unusual_for_the_time_of_the_day() -> None:
    values = course(1500)
    values[1150:1250] = [20 + 0.3 * (n % 2) for n in range(100)]
    findings = judged(values)
    (first, *_) = [n for n in found(findings) if n > 700]
    assert 1150 < first < 1250
    assert findings[first].sign == "day"


def test_a_value_that_repeats_as_never_before_is_flat() -> None:
    values = course(1500)
    values[1200:1300] = [values[1199]] * 100
    findings = judged(values)
    signs = {findings[n].sign for n in found(findings) if 1200 <= n < 1300}
    assert signs & {"flat", "day"}


def test_scatter_as_never_before_is_found() -> None:
    random = np.random.default_rng(2)
    values: list[float] = random.normal(0, 1, 2000).tolist()
    values[1500:1600] = random.normal(0, 3, 100).tolist()
    assert any(1500 <= n < 1600 for n in found(judged(values)))


def test_a_finding_is_not_told_again_and_again() -> None:
    values = course(1500)
    values[1200:] = [one + 40 for one in values[1200:]]
    assert len([n for n in found(judged(values)) if 1200 <= n < 1280]) <= 2


def test_nothing_is_told_while_the_series_is_learned() -> None:
    values = course(300)
    values[100] = 1000
    assert not found(judged(values, learn=400)[:200])


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=150), st.integers(1, 149))
@settings(max_examples=50, deadline=None)
def test_what_comes_later_does_not_change_what_was_thought(values: list[float], cut: int) -> None:
    assert judged(values, learn=60)[:cut] == judged(values[:cut], learn=60)


def test_what_is_kept_is_json_of_some_kilobytes_and_goes_on_where_it_was() -> None:
    values = course(3000, 300)
    whole = judged(values, 300)
    state = detector.begin()
    for n, one in enumerate(values[:2000]):
        detector.step(state, n * 300, one, 400)
    body = orjson.dumps(state)
    assert len(body) < 24_000
    state = orjson.loads(body)
    rest = [detector.step(state, n * 300, values[n], 400) for n in range(2000, 3000)]
    assert rest == whole[2000:]


def test_values_that_are_huge_or_all_the_same_do_no_harm() -> None:
    assert not found(judged([5.0] * 2000))
    assert all(math.isfinite(one.score) for one in judged([1e150, -1e150, 0.0, 1e-300] * 100))


# --- the benchmark's rules ----------------------------------------------------------------------


def detected(rows: dict[int, float], count: int = 100) -> Values:
    scores = np.zeros(count)
    for row, value in rows.items():
        scores[row] = value
    return scores


def test_a_detection_is_worth_what_the_benchmark_says() -> None:
    value, inside = worth(100, [(40, 49)])
    assert value[[20, 40, 49, 58, 77]].round(6).tolist() == [-1, 1, 0.248242, -0.986614, -1]
    assert inside.tolist() == [-1] * 40 + [0] * 10 + [-1] * 50


def test_the_score_is_the_best_over_all_thresholds() -> None:
    files = {"a": (detected({10: 1.0, 20: 0.95, 42: 0.9, 44: 0.9, 70: 0.5}), [(40, 49)])}
    result = score(files, STANDARD)
    # row 10 is in the probation; 20 costs 0.11; 42 is worth 0.977107 of 1; 70 would cost as well
    assert result.raw == pytest.approx(0.867107, abs=1e-6)
    assert result.score == pytest.approx(100 * 1.867107 / 2, abs=1e-4)
    assert (result.threshold, result.hits, result.false) == (0.9, 1, 1)


def test_no_detection_is_0_and_an_early_one_in_each_window_is_100() -> None:
    windows = [(40, 49), (80, 89)]
    assert score({"a": (NONE, windows)}, STANDARD).score == 0
    perfect = {"a": (detected({40: 1.0, 80: 1.0}), windows), "b": (NONE, [])}
    assert [score(perfect, profile).score for profile in PROFILES.values()] == [100, 100, 100]


def test_profiles_weigh_misses_and_false_alarms() -> None:
    files = {"a": (detected({20: 1.0, 40: 1.0}), [(40, 49), (80, 89)])}
    raw = {name: score(files, profile).raw for name, profile in PROFILES.items()}
    assert raw == {
        "standard": pytest.approx(1 - 1 - 0.11),
        "reward_low_FP_rate": pytest.approx(1 - 1 - 0.22),
        "reward_low_FN_rate": pytest.approx(1 - 2 - 0.11),
    }


def test_the_probation_is_a_share_of_short_files_only() -> None:
    assert [probation(rows) for rows in (100, 4032, 5000, 22_695)] == [15, 604, 750, 750]


# --- recorded -----------------------------------------------------------------------------------


@needs(NAB)
@pytest.mark.parametrize(
    "name",
    ["artificialWithAnomaly/art_daily_flatmiddle.csv", "realTraffic/speed_6005.csv",
     "realAWSCloudwatch/ec2_network_in_257a54.csv"],
)  # fmt: skip
def test_known_anomalies_of_recorded_files_are_found(name: str) -> None:
    file = nab.corpus([name])[name]
    scores = nab.detected(file)
    start = probation(len(scores))
    rows = [row for row in np.flatnonzero(scores >= 0.5).tolist() if row >= start]
    for first, last in file.windows:
        assert any(first <= row <= last for row in rows)
    outside = [row for row in rows if not any(a <= row <= b for a, b in file.windows)]
    assert len(outside) <= 4


@needs(NAB)
def test_settings_that_are_tried_on_other_files_give_what_the_detector_gives() -> None:
    name = "realTraffic/speed_6005.csv"
    file = nab.corpus([name])[name]
    usual = nab_left_out.Units(
        np.array(list(detector.FULL.values())), detector.FAINT, detector.AGAIN
    )
    played = nab_left_out.play(file)
    assert nab_left_out.scores(played, usual) == pytest.approx(nab.detected(file))
    scored = score({name: (nab.detected(file), file.windows)}, STANDARD)
    assert nab_left_out.standard([played], usual).score == pytest.approx(scored.score)
    got, windows = nab_left_out.raw([played], usual, scored.threshold)
    assert 100 * (got + windows) / (2 * windows) == pytest.approx(scored.score)


@pytest.mark.slow
@needs(NAB)
def test_the_score_on_the_benchmark_is_above_all_published_ones() -> None:
    files = nab.corpus()
    results = nab.scored({name: nab.detected(file) for name, file in files.items()}, files)
    published = orjson.loads((nab.FOLDER / "final_results.json").read_bytes())
    for profile, result in results.items():
        assert result.score > max(one[profile] for one in published.values())
    assert 0.45 < results["standard"].threshold < 0.55


# --- the service --------------------------------------------------------------------------------


def playing(**options: Any) -> Played:
    given_ = {"series": [{"type": "Well", "attribute": "level"}], "learn": 600, **options}
    return Played(service, START, **given_)


async def put(played: Played, values: list[float], first: int = 0, **more: Any) -> None:
    for n, one in enumerate(values, first):
        whole = {"type": "Property", "value": one, "unitCode": "CMT", **more}
        await played.put(START + n * 15 * MINUTE, WELL, "Well", level=whole)


async def test_an_anomaly_is_an_alert_that_says_what_was_expected_and_what_came() -> None:
    played = playing()
    await put(played, [*course(400), 80.0])
    (alert,) = played.things("Alert")
    assert alert.id == "urn:ngsi-ld:Alert:anomaly:Well%3Alevel%3A7"
    assert alert["category"] == "anomaly"
    assert alert["severity"] == "high"
    assert alert["status"] == "open"
    assert alert["title"] == {
        "en": "Well:level:7: unusual level", "ko": "Well:level:7: 평소와 다른 수준",
    }  # fmt: skip
    assert alert["description"]["en"].startswith("80 CMT came; ")
    assert "was expected, the range of all values so far" in alert["description"]["en"]
    assert alert["refersTo"] == WELL
    indicator = played.thing("urn:ngsi-ld:KeyPerformanceIndicator:anomaly:found")
    assert indicator["currentValue"] == 1


async def test_an_alert_ends_when_the_series_is_usual_again_also_after_a_restart() -> None:
    played = playing()
    values = course(560)
    await put(played, [*values[:400], 80.0])
    played.restart()
    await put(played, values[401:], 401)
    (alert,) = played.things("Alert")
    assert alert["status"] == "closed"


async def test_a_series_from_which_nothing_comes_is_told_until_something_comes() -> None:
    played = playing()
    await put(played, course(100))
    await played.until(START + 99 * 15 * MINUTE + timedelta(hours=2) // timedelta(microseconds=1))
    (alert,) = played.things("Alert")
    assert alert["status"] == "open"
    assert alert["title"]["en"] == "Well:level:7: nothing comes"
    assert alert["description"]["en"] == (
        "Nothing has come for 91 minutes; a value every 15 minutes was expected."
    )
    await put(played, [20.0], 120)
    (alert,) = played.things("Alert")
    assert alert["status"] == "closed"
    assert alert.id.endswith(":silent") or alert.id.endswith("%3Asilent")


async def test_other_types_entities_attributes_and_texts_are_left_alone() -> None:
    played = playing(series=[{"type": "Well", "attribute": "level", "entities": [WELL]}])
    await played.put(START, "urn:ngsi-ld:Tree:1", "Tree", level=1)
    await played.put(START, "urn:ngsi-ld:Well:8", "Well", level=1)
    await played.put(START, WELL, "Well", colour=3)
    await played.put(START, WELL, "Well", level="high")
    await played.put(START, WELL, "Well", level=True)
    assert "series" not in played.kept.state
    assert played.written == []


async def test_a_value_that_is_told_again_or_late_is_judged_once() -> None:
    played = playing()
    await put(played, course(50))
    observed = {"type": "Property", "value": 99.0, "observedAt": "2026-03-02T01:00:00Z"}
    await played.put(START + 60 * 15 * MINUTE, WELL, "Well", level=observed)
    (kept,) = played.kept.state["series"].values()
    assert kept["detector"]["n"] == 50


def test_it_reads_the_types_that_are_set_and_no_others() -> None:
    fitted = service.fitted(playing().options)
    assert fitted.needs == ("Well",)
    assert [rule.type for rule in fitted.on_change] == ["Well"]
    assert service.needs == ()


@pytest.mark.parametrize(
    "options",
    [{"threshold": 0}, {"learn": 10}, {"silence": 1}, {"series": [{"type": "Well"}]},
     {"time_zone": "Asia/Seol"}],
    ids=str,
)  # fmt: skip
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        service.given(options)


def test_every_option_has_titles_in_both_languages_and_a_description() -> None:
    for field in service.options.model_fields.values():
        assert field.title
        assert field.description
        assert isinstance(field.json_schema_extra, dict)
        assert field.json_schema_extra["ko"]
