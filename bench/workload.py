"""The entities that are measured with, and how they get into the server before."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Container
from concurrent.futures import ThreadPoolExecutor

BATCH = 1000
TYPE = "Vehicle"
UPSERT = "/ngsi-ld/v1/entityOperations/upsert"

_SEEN = '"observedAt":"2026-01-15T10:20:30Z"'


def identifier(number: int) -> str:
    return f"urn:ngsi-ld:Vehicle:{number:06d}"


def vehicle(number: int) -> str:
    """Return a vehicle with five attributes as JSON, some 550 bytes; as in bench/wrk/common.lua."""
    n = number
    lon, lat = 2.35 + n % 1000 / 10000, 48.85 + n % 777 / 10000
    return (
        f'{{"id":"{identifier(n)}","type":"{TYPE}",'
        f'"brandName":{{"type":"Property","value":"Manufacturer {n % 20}"}},'
        f'"speed":{{"type":"Property","value":{n % 130}.5,"unitCode":"KMH",{_SEEN}}},'
        f'"fuelLevel":{{"type":"Property","value":{n % 100},"unitCode":"P1",{_SEEN}}},'
        '"location":{"type":"GeoProperty","value":{"type":"Point",'
        f'"coordinates":[{lon:.5f},{lat:.5f}]}},{_SEEN}}},'
        '"isParkedAt":{"type":"Relationship",'
        f'"object":"urn:ngsi-ld:OffStreetParking:Downtown{n % 50:02d}",{_SEEN}}}}}'
    )


class Refused(Exception):
    """The server did not take what was loaded."""


def preload(
    port: int, count: int, advance: Callable[[int], None], key: str = "", tenant: str = ""
) -> None:
    """Load so many vehicles by batch upsert, over two connections so that one is always sending."""
    starts = range(0, count, BATCH)
    with ThreadPoolExecutor(2) as threads:
        halves = [
            threads.submit(_load, port, count, starts[n::2], advance, key, tenant) for n in range(2)
        ]
        for half in halves:
            half.result()


def _load(
    port: int, count: int, starts: range, advance: Callable[[int], None], key: str, tenant: str
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    for start in starts:
        numbers = range(start, min(start + BATCH, count))
        body = "[" + ",".join(map(vehicle, numbers)) + "]"
        _send(connection, UPSERT, body.encode(), (201, 204), key, tenant)
        advance(len(numbers))
    connection.close()


def post(port: int, path: str, body: bytes, expected: Container[int]) -> None:
    """Post JSON once."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    _send(connection, path, body, expected)
    connection.close()


def _send(
    connection: http.client.HTTPConnection,
    path: str,
    body: bytes,
    expected: Container[int],
    key: str = "",
    tenant: str = "",
) -> None:
    headers = {"Content-Type": "application/json"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    if tenant:
        headers["NGSILD-Tenant"] = tenant
    connection.request("POST", path, body, headers)
    answer = connection.getresponse()
    text = answer.read()
    if answer.status not in expected:
        raise Refused(f"POST {path} was answered {answer.status}: {text[:300]!r}")
