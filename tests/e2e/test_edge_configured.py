"""A centre configures its edge node: set there, at work here, also when the centre is away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.e2e.edge_city import Node, caught_up, plain, push, series, station, status
from tests.e2e.server import API, Server

PROFILE = 'type = "NoiseLevelObserved"\n[attributes]\nLAeq = { path = "db", unit = "2N" }\n'
CONFIGURATION = """
profiles = ["noise"]
[rules.NoiseLevelObserved]
strip = ["note"]
[[devices]]
name = "noise-7"
profile = "noise"
"""


def asked(centre: Server, method: str, path: str, body: object = None, key: str = "") -> Any:
    headers = {"Authorization": f"Bearer {key}"} if key else centre.local_key()
    answer = centre.request(method, path, body, headers)
    assert answer.status < 300, answer.body
    return answer.json() if answer.body else None


def attributes(centre: Server, number: int) -> set[str]:
    found = asked(centre, "GET", f"{API}/entities/urn:ngsi-ld:NoiseLevelObserved:{number}")
    return set(found) - {"id", "type", "@context"}


def new_key(centre: Server, name: str) -> dict[str, Any]:
    body = {"name": name, "kind": "app", "writes": ["NoiseLevelObserved", "Device"]}
    made = asked(centre, "POST", "/trust/keys", body)
    assert isinstance(made, dict)
    return made


def test_what_is_set_at_the_centre_works_at_the_node_also_when_cut_off(tmp_path: Path) -> None:
    file = tmp_path / "mapo.toml"
    file.write_text(CONFIGURATION)
    with Server(tmp_path / "centre", open=False) as centre:
        key = new_key(centre, "Edge node Mapo")
        asked(centre, "PUT", "/profiles/noise", {"text": PROFILE})
        assert "is configured" in centre.said(
            "edge", "configure", "mapo", "--key", "Edge node Mapo", str(file)
        )
        assert "not asked" in centre.said("edge", "nodes")
        own = '[edge.rules."*"]\nstrip = ["mine"]\n'
        node = Node(tmp_path / "edge", centre.url, own, key=key["key"])
        with node:
            node.wait_for(lambda: status(node)["configuration"]["version"] is not None)
            push(node, [station(1, 40.0, 0, note=plain("here"), mine=plain("there"))])
            node.request("POST", "/devices/noise-7/up", {"db": 61.5})
            caught_up(node)
            assert attributes(centre, 1) == {"LAeq", "mine"}
            found = "urn:ngsi-ld:NoiseLevelObserved:noise-7"
            assert asked(centre, "GET", f"{API}/entities/{found}")["LAeq"]["value"] == 61.5
            assert "configured by its centre" in node.said("edge", "status")
            taken = status(node)["configuration"]
            assert taken["problem"] is None
            assert taken["version"] in centre.said("edge", "nodes")
        centre.kill()
        with node:  # starts cut off, with what it has
            push(node, [station(2, 40.0, 0, note=plain("here"), mine=plain("there"))])
            node.wait_for(lambda: status(node)["alarm"] is not None)
            assert status(node)["configuration"]["version"] == taken["version"]
            centre.start()
            caught_up(node)
            assert attributes(centre, 2) == {"LAeq", "mine"}
            assert len(series(node, "urn:ngsi-ld:NoiseLevelObserved:2")) == 1
        centre.said("edge", "remove", "mapo", "--yes")
        with node:
            node.wait_for(lambda: status(node)["configuration"]["version"] is None)
            push(node, [station(3, 40.0, 0, note=plain("here"), mine=plain("there"))])
            caught_up(node)
            assert attributes(centre, 3) == {"LAeq", "note"}


def test_a_key_is_handed_its_own_configuration_and_no_other(tmp_path: Path) -> None:
    with Server(tmp_path / "centre", open=False) as centre:
        mine, other = new_key(centre, "mine"), new_key(centre, "other")
        body = {"key": mine["id"], "text": CONFIGURATION.replace('profiles = ["noise"]', "")}
        shown = asked(centre, "PUT", "/sense/edges/mapo", body)
        path = "/sense/edge/configuration"
        head = {"Authorization": f"Bearer {mine['key']}"}
        answer = centre.request("GET", path, None, head)
        assert answer.status == 200
        tag = answer.headers["etag"]
        assert tag.strip('"').startswith(shown["version"])
        again = centre.request("GET", path, None, head | {"If-None-Match": f"W/{tag}"})
        assert (again.status, again.body) == (304, b"")
        assert asked(centre, "GET", "/sense/edges")[0]["taken"] is True
        foreign = {"Authorization": f"Bearer {other['key']}"}
        assert centre.request("GET", path, None, foreign).status == 404
        assert centre.request("GET", "/sense/edges/mapo", None, head).status == 403
        wrong = centre.request(
            "PUT",
            "/sense/edges/mapo",
            {"key": mine["id"], "text": "[[devices]]\nname = 'a'\nintervall = 3"},
            centre.local_key(),
        )
        assert wrong.status == 400
        assert b"devices.0.intervall" in wrong.body
        assert b"did you mean 'interval'" in wrong.body
