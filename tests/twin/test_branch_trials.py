"""Trials are kept on disk, seeds are paired, and what cannot run says why."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from madang.model.errors import ResourceNotFound
from madang.twin.branch.job import RunFailed, tried
from madang.twin.branch.start import usual
from madang.twin.branch.tasks import Job
from madang.twin.branch.trial import Asked, Trial, in_short
from madang.twin.branch.trials import MOST_KEPT, NoCity, Trials

START = usual("08:00")
ASKED = Asked(("title = 'as it is'", "[signals]\ncontrol = 'fixed'"), 1.0, 3, "kim")


def kept(folder: Path, id: str, at: int = 0, state: str = "running", tenant: str = "") -> Trial:
    trial = Trial(id, tenant, ASKED, in_short(START), at, folder / "trials" / id)
    trial.state = state  # type: ignore[assignment]
    trial.save()
    return trial


def test_a_trial_that_ran_when_the_hub_stopped_says_so(tmp_path: Path) -> None:
    kept(tmp_path, "a")
    found = Trials(tmp_path, None, 1, "").find("", "a")
    assert found.state == "failed"
    assert "the hub was stopped" in found.error
    assert Trial.open(tmp_path / "trials" / "a").state == "failed"


def test_trials_are_those_of_their_tenant_the_latest_first(tmp_path: Path) -> None:
    for at, id in enumerate("abc"):
        kept(tmp_path, id, at, "done")
    kept(tmp_path, "other", 9, "done", "mapo")
    trials = Trials(tmp_path, None, 1, "")
    assert [one.id for one in trials.list("")] == ["c", "b", "a"]
    with pytest.raises(ResourceNotFound, match=f"the last {MOST_KEPT} are kept"):
        trials.find("", "other")


def test_a_damaged_trial_is_left_out(tmp_path: Path) -> None:
    kept(tmp_path, "good", 0, "done")
    (tmp_path / "trials" / "bad").mkdir()
    (tmp_path / "trials" / "bad" / "trial.json").write_text("{")
    assert [one.id for one in Trials(tmp_path, None, 1, "").list("")] == ["good"]


def test_without_a_network_it_is_said_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(NoCity, match="madang city build --out"):
        Trials(tmp_path, None, 1, "").city()


def job(folder: Path, ray: str = "") -> Job:
    return Job(str(folder), [{}, {"title": "x"}], START.told(), 60.0, 3, str(folder), 1, ray)


def test_every_policy_is_run_on_the_same_seeds(tmp_path: Path) -> None:
    runs = job(tmp_path).runs()
    assert [run.seed for run in runs] == [1, 2, 3, 1, 2, 3]
    assert [run.policy for run in runs] == [{}] * 3 + [{"title": "x"}] * 3
    assert len({run.folder for run in runs}) == 6


@pytest.mark.skipif(importlib.util.find_spec("ray") is not None, reason="Ray is installed")
def test_a_ray_cluster_without_ray_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match="pip install ray"):
        tried(job(tmp_path, "auto"), lambda _: None)
