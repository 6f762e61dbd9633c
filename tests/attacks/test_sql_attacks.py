"""Out of the box in which history answers SQL: files, settings, other tenants, what is hidden.

Each statement alone is in the tests of madang.lake; here an analyst sends them to a running hub.
"""

from __future__ import annotations

import pytest

from tests.attacks.stranger import Headers, entity, person_of
from tests.e2e.server import Server

pytestmark = pytest.mark.slow

PHONE = "+82-10-7777-0123"


@pytest.fixture(scope="module")
def analyst(hub: Server) -> Headers:
    entity(hub, "urn:ngsi-ld:Person:sql", "Person", "archive", telephone=PHONE, seat="B 12")
    entity(hub, "urn:ngsi-ld:Person:sql", "Person", "other", seat="OTHER 1")
    person = person_of(hub, "analyst", tenants=["archive"])
    return {**person.headers, "NGSILD-Tenant": "archive"}


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM glob('/*')",
        "SELECT getenv('HOME'), current_setting('secret_directory')",
        "COPY (SELECT 1) TO '/tmp/out'",
        "ATTACH '/tmp/x.sqlite'",
        "INSTALL httpfs",
        "SET memory_limit = '1TB'",
        "SELECT * FROM duckdb_secrets()",
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM query('SELECT * FROM read_text(''/etc/passwd'')')",
        "SELECT 1; ATTACH '/tmp/x.sqlite'",
    ],
)
def test_sql_reaches_nothing_but_the_history_it_is_for(
    hub: Server, analyst: Headers, sql: str
) -> None:
    answer = hub.request("POST", "/history/sql", {"sql": sql}, analyst)
    assert answer.status == 400, answer.body
    assert b"root:" not in answer.body


def test_sql_export_and_states_show_what_a_reader_may_see(hub: Server, analyst: Headers) -> None:
    answers = [
        hub.request("POST", "/history/sql", {"sql": sql}, analyst)
        for sql in ("SELECT * FROM history", "SELECT columns('.*') FROM Person")
    ]
    paths = ("export?type=Person&format=csv", "state?type=Person&at=2090-01-01T00:00:00Z")
    answers += [hub.request("GET", f"/history/{path}", headers=analyst) for path in paths]
    for answer in answers:
        assert answer.status == 200, answer.body
        assert b"B 12" in answer.body
        assert b"7777" not in answer.body, "a personal attribute, without a purpose"
        assert b"OTHER" not in answer.body, "another tenant"
    other = {**analyst, "NGSILD-Tenant": "other"}
    assert hub.request("POST", "/history/sql", {"sql": "SELECT 1"}, other).status == 403
