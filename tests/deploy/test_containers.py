"""The files for containers. Nothing here can run one: they are linted, and rendered by Helm itself.

What an image, Compose or Kubernetes does with them is not tested.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from madang.settings import Settings
from madang.settings_sources import NOT_SETTINGS, PASSWORDS, load
from tests.deploy.unit import ROOT

DEPLOY = ROOT / "deploy"
CHART = DEPLOY / "helm" / "madang"
BIN = Path(sys.executable).parent
KNOWN = {f"MADANG_{name.upper()}" for name in Settings.model_fields} | set(NOT_SETTINGS)
KNOWN |= {f"MADANG_{name.upper()}_FILE" for name in PASSWORDS}


def run(*words: str) -> None:
    done = subprocess.run([BIN / words[0], *words[1:]], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def objects_of(**values: Any) -> list[dict[str, Any]]:
    """Return the objects that Helm makes of the chart."""
    helm = pytest.importorskip("helm_python", reason="Helm is not packaged for this system")
    with helm.Chart.load(str(CHART)) as chart:
        chart.validate_schema(values)
        texts = chart.render(values, name="city", namespace="madang").values()
    return [one for text in texts for one in yaml.safe_load_all(text) if one]


def rendered(**values: Any) -> dict[str, dict[str, Any]]:
    """Return the objects of a chart of one hub, by kind."""
    return {one["kind"]: one for one in objects_of(**values)}


def hub(objects: dict[str, dict[str, Any]]) -> dict[str, Any]:
    (container,) = objects["StatefulSet"]["spec"]["template"]["spec"]["containers"]
    assert isinstance(container, dict)
    return container


def environment(objects: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Return the variables that the hub of a chart starts with, without those of a secret."""
    own = {one["name"]: one["value"] for one in hub(objects)["env"]}
    return {**objects["ConfigMap"]["data"], **own}


def test_every_variable_in_the_files_of_deployment_is_a_setting() -> None:
    for file in DEPLOY.rglob("*"):
        if file.is_file():
            named = set(re.findall(r"\bMADANG_[A-Z0-9_]+\b", file.read_text("utf-8")))
            named -= {"MADANG_SERVICE_HOST"}  # which Kubernetes would make, and the chart forbids
            assert named <= KNOWN, file


def test_the_image_is_written_as_it_should_be() -> None:
    if not (BIN / "hadolint").exists():
        pytest.skip("hadolint is not packaged for this system")
    run("hadolint", str(DEPLOY / "compose" / "Containerfile"))


@pytest.mark.parametrize("folder", ["", "several-hubs"])
def test_compose_follows_the_specification(folder: str) -> None:
    file = str(DEPLOY / "compose" / folder / "compose.yaml")
    run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", file)


def test_compose_starts_a_hub_on_its_database() -> None:
    compose = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text("utf-8"))
    chosen = compose["services"]["madang"]
    environ = {**chosen["environment"], "MADANG_BASE_URL": ""}
    found = load({}, environ=environ)
    user, host, database = re.fullmatch(r"postgres://(\w+)@(\w+)/(\w+)", found.store).groups()  # type: ignore[union-attr]
    server = compose["services"][host]["environment"]
    assert (user, database) == (server["POSTGRES_USER"], server["POSTGRES_DB"])
    assert set(chosen["depends_on"]) == {host}
    folder = Path(chosen["build"]["context"])
    assert (DEPLOY / "compose" / folder / chosen["build"]["dockerfile"]).is_file()


def test_helm_finds_no_fault_with_the_chart() -> None:
    helm = pytest.importorskip("helm_python", reason="Helm is not packaged for this system")
    told = helm.lint(str(CHART), strict=True)
    assert told["errors"] == []
    assert [one["error"] for one in told["messages"]] == ["icon is recommended"]


@pytest.mark.parametrize("values", [{}, {"secret": "passwords", "storage": {"className": "fast"}}])
def test_kubernetes_knows_everything_that_the_chart_makes(values: dict[str, Any]) -> None:
    validate = pytest.importorskip("kubernetes_validate")
    objects = rendered(**values)
    assert set(objects) == {"StatefulSet", "Service", "ConfigMap"}
    for one in objects.values():
        validate.validate(one, "1.30", strict=True)


def test_the_chart_hands_settings_on_as_the_hub_reads_them() -> None:
    settings = {"store": "postgres://madang@db/madang", "max_body_bytes": 16777216, "demo": True}
    found = load({}, environ=environment(rendered(settings=settings)))
    assert (found.store, found.max_body_bytes, found.demo) == tuple(settings.values())
    assert (found.log_format, found.host) == ("json", "0.0.0.0")


def test_the_chart_asks_where_the_hub_answers() -> None:
    objects = rendered()
    container, usual = hub(objects), Settings()
    ports = {one["name"]: one["containerPort"] for one in container["ports"]}
    assert ports == {"http": usual.port, "mqtt": usual.mqtt_port}
    asked = {container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "readiness")}
    assert asked == {"/ready"}
    assert {one["targetPort"] for one in objects["Service"]["spec"]["ports"]} == set(ports)
    # Variables such as MADANG_PORT that Kubernetes makes for services would be taken for settings.
    assert objects["StatefulSet"]["spec"]["template"]["spec"]["enableServiceLinks"] is False
    assert objects["StatefulSet"]["spec"]["replicas"] == 1


def test_the_chart_refuses_values_that_it_does_not_know() -> None:
    helm = pytest.importorskip("helm_python", reason="Helm is not packaged for this system")
    with pytest.raises(helm.HelmError, match="replicas"):
        rendered(replicas=3)


def test_the_image_has_the_user_and_folder_that_compose_and_the_chart_expect() -> None:
    image = (DEPLOY / "compose" / "Containerfile").read_text("utf-8")
    context = rendered()["StatefulSet"]["spec"]["template"]["spec"]["securityContext"]
    assert f"USER {context['runAsUser']}" in image
    (mount,) = (one for one in hub(rendered())["volumeMounts"] if one["name"] == "data")
    assert f"VOLUME {mount['mountPath']}" in image
    compose = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text("utf-8"))
    assert compose["services"]["madang"]["volumes"] == [f"madang:{mount['mountPath']}"]
