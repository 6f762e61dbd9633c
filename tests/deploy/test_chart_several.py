"""The chart with several hubs: rendered by Helm, held against Kubernetes, and read as a hub does.

No cluster runs it here; what a hub does with these words and variables, test_compose_run.py shows.
"""

from __future__ import annotations

import copy
from typing import Any

import pytest

from madang.settings_sources import load
from tests.deploy.composed import Image, read
from tests.deploy.test_containers import objects_of

SEVERAL: dict[str, Any] = {
    "settings": {
        "store": "postgres://madang@db/madang",
        "bus": "nats://madang@nats:4222",
        "base_url": "https://city.example.org",
    },
    "secret": "madang",
    "hubs": {"api": {"replicas": 2}, "worker": {"replicas": 3}, "sense": {"replicas": 1}},
}


def values(**changed: Any) -> dict[str, Any]:
    """Return values of several hubs, some of them changed: ``settings__bus=""``."""
    found = copy.deepcopy(SEVERAL)
    for path, value in changed.items():
        *outer, name = path.split("__")
        place = found
        for one in outer:
            place = place.setdefault(one, {})
        place[name] = value
    return found


def named(objects: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in objects if one["kind"] == kind}


def hubs(**changed: Any) -> dict[str, dict[str, Any]]:
    """Return the sets of hubs by their roles."""
    found = named(objects_of(**values(**changed)), "StatefulSet")
    return {name.rpartition("-")[2]: one for name, one in found.items()}


def pod(hub: dict[str, Any]) -> dict[str, Any]:
    found = hub["spec"]["template"]["spec"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"history__claim": "shared", "storage__className": "fast", "hubs__api__replicas": 5},
        {"history__className": "nfs", "settings__mqtt_broker": False, "hubs__sense__replicas": 2},
        {"hubs__worker__resources": {"limits": {"memory": "8Gi"}}, "service__type": "LoadBalancer"},
    ],
)
def test_kubernetes_knows_everything_that_the_chart_makes_for_several(
    changed: dict[str, Any],
) -> None:
    validate = pytest.importorskip("kubernetes_validate")
    for one in objects_of(**values(**changed)):
        validate.validate(one, "1.30", strict=True)


def test_each_role_has_its_hubs_with_the_settings_of_several() -> None:
    objects = objects_of(**SEVERAL)
    (settings,) = named(objects, "ConfigMap").values()
    composed = {name: one for name, one in read()["services"].items() if one["image"] == "madang"}
    for role, hub in hubs().items():
        (container,) = pod(hub)["containers"]
        assert hub["spec"]["replicas"] == SEVERAL["hubs"][role]["replicas"]
        assert container["args"] in [one["command"] for one in composed.values()], (
            "is run by a test"
        )
        assert container["args"][-1] == role
        own = {one["name"]: one["value"] for one in container["env"]}
        found = load({"role": role}, environ={**settings["data"], **own})
        assert (found.store, found.role) == (SEVERAL["settings"]["store"], role)
        places = {one["mountPath"]: one["name"] for one in container["volumeMounts"]}
        assert places[str(found.history_path)] == "history"
        assert container["envFrom"][1] == {"secretRef": {"name": "madang"}}
    assert set(hubs()) == {"api", "worker", "sense"}


def test_the_image_lets_its_user_write_to_the_shared_volume() -> None:
    image, hub = Image(), pod(hubs()["api"])
    assert hub["securityContext"]["fsGroup"] == image.user
    (container,) = hub["containers"]
    assert f"{image.folder}/history" in {one["mountPath"] for one in container["volumeMounts"]}


@pytest.mark.parametrize("claim", ["", "shared"])
def test_history_is_one_volume_of_all_hubs(claim: str) -> None:
    changed = {"history__claim": claim}
    claims = named(objects_of(**values(**changed)), "PersistentVolumeClaim")
    volumes = [one for hub in hubs(**changed).values() for one in pod(hub)["volumes"]]
    used = {
        one["persistentVolumeClaim"]["claimName"] for one in volumes if one["name"] == "history"
    }
    assert used == ({claim} if claim else set(claims))
    for one in claims.values():
        assert one["spec"]["accessModes"] == ["ReadWriteMany"]


def test_history_in_a_bucket_needs_no_volume() -> None:
    objects = objects_of(**values(settings__history_path="s3://city/history"))
    assert named(objects, "PersistentVolumeClaim") == {}
    for hub in named(objects, "StatefulSet").values():
        assert "history" not in {one["name"] for one in pod(hub)["volumes"]}
        (container,) = pod(hub)["containers"]
        assert "MADANG_HISTORY_PATH" not in {one["name"] for one in container["env"]}
    (settings,) = named(objects, "ConfigMap").values()
    assert settings["data"]["MADANG_HISTORY_PATH"] == "s3://city/history"


def selected(service: dict[str, Any]) -> set[str]:
    """Return the roles of the pods that a service leads to."""
    wanted = service["spec"]["selector"].items()
    return {
        role
        for role, hub in hubs().items()
        if wanted <= hub["spec"]["template"]["metadata"]["labels"].items()
    }


def test_requests_go_to_hubs_that_answer_and_devices_to_the_one_that_listens() -> None:
    services = named(objects_of(**SEVERAL), "Service")
    assert {name: selected(one) for name, one in services.items()} == {
        "city-madang": {"api"},
        "city-madang-mqtt": {"sense"},
    }
    brokers = objects_of(**values(settings__mqtt_broker=False))
    assert set(named(brokers, "Service")) == {"city-madang"}


def test_only_one_hub_of_a_role_is_taken_away_at_a_time() -> None:
    budgets = named(objects_of(**SEVERAL), "PodDisruptionBudget")
    assert set(budgets) == {"city-madang-api", "city-madang-worker"}
    for name, one in budgets.items():
        assert one["spec"]["maxUnavailable"] == 1
        hub = hubs()[name.rpartition("-")[2]]
        assert one["spec"]["selector"] == hub["spec"]["selector"]


def test_each_role_takes_what_is_said_of_it() -> None:
    found = hubs(hubs__worker__resources={"limits": {"memory": "8Gi"}})
    limits = {
        role: pod(hub)["containers"][0]["resources"]["limits"]["memory"]
        for role, hub in found.items()
    }
    assert limits == {"api": "2Gi", "worker": "8Gi", "sense": "2Gi"}


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"hubs__worker__replicas": 0}, "hubs.worker.replicas is 0"),
        ({"settings__bus": ""}, "settings.bus"),
        ({"settings__store": ""}, "settings.store"),
        ({"secret": ""}, "MADANG_SECRET_KEY"),
        ({"hubs__sense__replicas": 2}, "mqtt_broker"),
    ],
)
def test_several_hubs_that_could_not_work_are_refused(changed: dict[str, Any], why: str) -> None:
    helm = pytest.importorskip("helm_python", reason="Helm is not packaged for this system")
    with pytest.raises(helm.HelmError, match=why):
        objects_of(**values(**changed))
