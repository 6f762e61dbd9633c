"""Guessing at the door: what time tells, who can be locked out, what a guesser gains."""

from __future__ import annotations

import os
import statistics
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from tests.attacks.stranger import PASSWORD, person_of, sign_in, visit
from tests.e2e.server import Answer, Server

pytestmark = pytest.mark.slow

TRIES = 15
RATIO = 1.6
"""How far the means may lie apart; without the precaution an unknown name takes next to none."""


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run a hub behind a proxy that it believes, so that a test can come from many addresses."""
    limits = {f"MADANG_LIMIT_{kind}_PER_S": "0" for kind in ("PUBLIC", "PERSON")}
    environ = {**limits, "MADANG_TRUSTED_PROXIES": "127.0.0.1"}
    folder = tmp_path_factory.mktemp("proxied") / "data"
    with Server(folder, open=False, environ=environ) as server:
        yield server


def worked_s(hub: Server) -> float:
    """Return the processor time that the hub has used, whoever else uses the machine. [s]"""
    fields = Path(f"/proc/{hub.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def guess(hub: Server, login: str, password: str, address: str) -> Answer:
    grant = {"grant_type": "password", "username": login, "password": password}
    return hub.request("POST", "/token", grant, {"X-Forwarded-For": address})


def test_time_does_not_tell_which_names_there_are(proxied: Server) -> None:
    logins = [person_of(proxied, "citizen").login for _ in range(4)]
    off = person_of(proxied, "citizen")
    path = f"/trust/users/{off.id}"
    proxied.request("PATCH", path, {"disabled": True}, proxied.local_key())
    took: dict[str, list[float]] = {"unknown": [], "wrong": [], "off": []}
    answers = set()
    for number in range(TRIES):
        for kind in took:
            login = {
                "unknown": f"nobody-{uuid.uuid4().hex[:12]}",
                "wrong": logins[number % len(logins)],
                "off": off.login,
            }[kind]
            password = PASSWORD if kind == "off" and number % 2 else "wrong horse wrong staple"
            address = f"198.51.{number}.{len(kind)}"
            if number and number % 4 == 0:  # the waits are another matter, and pass
                time.sleep(0.2)
            before = worked_s(proxied)
            answer = guess(proxied, login, password, address)
            if answer.status != 429:
                took[kind].append(worked_s(proxied) - before)
                answers.add((answer.status, answer.body))
    assert len(answers) == 1, "and words do not either"
    assert next(iter(answers))[0] == 401
    means = [statistics.fmean(times) for times in took.values() if times]
    assert len(means) == 3
    assert max(means) < RATIO * min(means), took


def test_the_waits_tell_no_names_either(proxied: Server) -> None:
    known, unknown = person_of(proxied, "citizen").login, f"nobody-{uuid.uuid4().hex[:12]}"
    statuses = []
    for number, login in enumerate((known, unknown)):
        address = f"198.51.100.{number}"
        answers = [guess(proxied, login, "wrong horse wrong", address) for _ in range(7)]
        statuses.append([answer.status for answer in answers])
    assert statuses[0] == statuses[1]
    assert 429 in statuses[0]


def test_an_owner_who_was_here_before_is_not_locked_out(proxied: Server) -> None:
    owner = person_of(proxied, "citizen").login
    assert guess(proxied, owner, PASSWORD, "203.0.113.5").status == 200
    for number in range(16):
        guess(proxied, owner, "wrong horse wrong", f"192.0.2.{number}")
    assert guess(proxied, owner, "wrong horse wrong", "192.0.2.99").status == 429
    assert guess(proxied, owner, PASSWORD, "203.0.113.5").status == 200


def test_an_address_that_is_made_up_gives_no_new_tries(hub: Server) -> None:
    """Nobody named a proxy here, so what a request says of its sender is not believed."""
    login = f"nobody-{uuid.uuid4().hex[:12]}"
    statuses = []
    for number in range(16):
        grant = {"grant_type": "password", "username": login, "password": "wrong wrong wrong"}
        headers = {
            "X-Forwarded-For": f"203.0.113.{number}",
            "X-Real-IP": f"203.0.113.{number}",
            "Forwarded": f"for=203.0.113.{number}",
        }
        statuses.append(hub.request("POST", "/token", grant, headers).status)
    assert 429 in statuses


def test_all_ways_in_count_together(proxied: Server) -> None:
    """The page and the token endpoint are one door; changing a name's case gives no new tries."""
    login, address = person_of(proxied, "citizen").login, "198.51.101.1"
    for written in (login, login.upper(), f" {login}", login.capitalize()):
        guess(proxied, written, "wrong horse wrong", address)
    page = visit(proxied)
    grant = {"X-Forwarded-For": address}
    form = f"token={page.token}&name={login}&password=wrong+horse+wrong".encode()
    kind = {"Content-Type": "application/x-www-form-urlencoded", "Origin": proxied.url}
    answers = [
        proxied.request("POST", "/sign-in", form, {**kind, **grant, "Cookie": page.cookie})
        for _ in range(3)
    ]
    assert answers[-1].status == 429
    assert int(answers[-1].headers["retry-after"]) >= 1


def test_a_bad_credential_is_counted_like_any_request(tmp_path: Path) -> None:
    environ = {"MADANG_LIMIT_PUBLIC_PER_S": "4"}
    with Server(tmp_path / "data", open=False, environ=environ) as server:
        statuses = [
            server.request("GET", path, headers={"Authorization": f"Bearer mdg_{n}"}).status
            for n in range(60)
            for path in ("/me", "/ngsi-ld/v1/types")
        ]
        assert statuses[:20] == [401] * 20
        assert 429 in statuses


def test_what_is_typed_into_a_form_leaves_no_trace_in_the_audit_log(hub: Server) -> None:
    marks = [f"mark{uuid.uuid4().hex[:12]}" for _ in range(3)]
    page = visit(hub)
    evil = [
        f"{marks[0]}\n{{}}",
        f'{marks[1]}","outcome":"done"',
        f"<script>{marks[2]}</script>" + "a" * 20_000,
    ]
    for name in evil:
        sign_in(hub, name.replace("\n", "%0A").replace('"', "%22"), page.cookie, page.token)
        grant = {"grant_type": "password", "username": name, "password": name}
        hub.request("POST", "/token", grant)
        hub.request("GET", "/me", headers={"User-Agent": name.replace("\n", " ")})
    found = hub.request("GET", "/trust/audit?limit=100", headers=hub.local_key())
    assert found.status == 200
    assert not [mark for mark in marks if mark.encode() in found.body]


def test_what_must_be_recorded_is_one_record_whatever_is_in_it(hub: Server) -> None:
    mark = uuid.uuid4().hex[:12]
    for name in (f"{mark}\n", f"{mark}\x00", f"{mark}\u2028x", mark + "a" * 5000):
        wish = {"kind": "app", "name": name}
        assert hub.request("POST", "/trust/keys", wish, hub.local_key()).status == 400
    name = f'{mark}"}}, {{"sequence": 1, "kind": "key'
    made = hub.request("POST", "/trust/keys", {"kind": "app", "name": name}, hub.local_key())
    assert made.status == 201
    found = orjson.loads(hub.request("GET", "/trust/audit?limit=100", headers=hub.local_key()).body)
    records = [one for one in found["records"] if mark in str(one)]
    assert len(records) == 1
    assert records[0]["detail"]["name"] == name
