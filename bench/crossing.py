"""Measures how soon a sign warns: from a detector's message to the sign's hearing of it.

``python bench/crossing.py`` starts a centre and an edge node, each a process of its own as a city
runs them (keys, policies, durable writes), and connects a detector, a radar and a sign to the node
over MQTT on this machine, with paho's client. By turns somebody steps on the crossing at red, and a
vehicle comes too near to somebody on it; each time the sign must say so, and go dark when it is
over. With ``--load`` other sensors send ten values a message to the node at the same time. Prints
the times and writes them to ``bench/results/crossing.json``. All of it shares the machine.
"""

from __future__ import annotations

import argparse
import json
import queue
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import machine
from tests.e2e.server import API, Server

RESULT = Path(__file__).parent / "results" / "crossing.json"
CROSSING = "urn:ngsi-ld:PedestrianCrossing:school"
PROFILE = """type = "CrossingObserved"
[attributes]
pedestrianCount = { kind = "integer" }
vehicleDistance = { unit = "MTR" }
vehicleSpeed = { unit = "MTS" }
"""
QUANTITIES = ("pm25", "pm10", "o3", "no2", "so2", "co", "temperature", "humidity", "noise", "co2")
AIR = 'type = "AirQualityObserved"\n[attributes]\n' + "".join(f"{q} = {{}}\n" for q in QUANTITIES)
LIMITS = {f"MADANG_LIMIT_{kind}_PER_S": "0" for kind in ("PUBLIC", "PERSON", "DEVICE")}
IN_TIME_MS = 300


def good(server: Server, method: str, path: str, body: object) -> Any:
    answer = server.request(method, path, body, server.local_key())
    assert answer.status in (200, 201, 204), answer.body
    return json.loads(answer.body) if answer.body else None


def device(node: Server, name: str, profile: str = "") -> mqtt.Client:
    """Register a device; return its client, connected with its key."""
    body = {"device": name, "key": True} | ({"profile": profile} if profile else {})
    key = good(node, "POST", "/devices", body)["key"]
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name)
    client.username_pw_set(name, key)
    client.connect("127.0.0.1", node.mqtt_port)
    client.loop_start()
    return client


def set_up(node: Server, load: bool) -> dict[str, mqtt.Client]:
    """Make the crossing and its devices; return their clients by name."""
    good(node, "PUT", "/profiles/crossing", {"text": PROFILE})
    found = {name: device(node, name, "crossing") for name in ("camera", "radar")}
    found["sign"] = device(node, "sign")
    if load:
        good(node, "PUT", "/profiles/air", {"text": AIR})
        found["air"] = device(node, "air", "air")
    link = {"type": "Relationship", "object": "urn:ngsi-ld:Device:sign"}
    home = {"type": "Relationship", "object": CROSSING}
    signal = {"type": "Property", "value": "red"}
    good(node, "POST", f"{API}/entityOperations/upsert", [
        {"id": CROSSING, "type": "PedestrianCrossing", "pedestrianSignal": signal,
         "refSign": link},
        *({"id": f"urn:ngsi-ld:CrossingObserved:{name}", "type": "CrossingObserved",
           "refCrossing": home} for name in ("camera", "radar")),
    ])  # fmt: skip
    options = {"tail_s": 0, "hold_s": 60, "signal_hold_s": 3600}
    good(node, "PATCH", "/services/crossing", {"on": True, "options": options})
    time.sleep(2.0)  # it looks each second whether it is on
    return found


class Street:
    """What happens on the crossing, and what the sign says of it."""

    def __init__(self, node: Server, clients: dict[str, mqtt.Client]) -> None:
        self._node = node
        self._clients = clients
        self._heard: queue.SimpleQueue[tuple[float, dict[str, Any]]] = queue.SimpleQueue()
        sign = clients["sign"]
        sign.on_message = self._on_message
        done = threading.Event()
        sign.on_subscribe = lambda *_: done.set()
        sign.subscribe("v1/devices/sign/down", qos=1)
        assert done.wait(10)

    def _on_message(self, client: object, data: object, message: mqtt.MQTTMessage) -> None:
        self._heard.put((time.perf_counter(), json.loads(message.payload)))

    def say(self, name: str, **values: float) -> float:
        """Send what a detector sees; return when."""
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        body = json.dumps({"observedAt": now, **values})
        began = time.perf_counter()
        self._clients[name].publish(f"v1/devices/{name}/up", body, qos=1)
        return began

    def until(self, command: str) -> float:
        """Return when the sign is told something; what it is told again is passed over."""
        while True:
            at, told = self._heard.get(timeout=20)
            if told["command"] == command:
                return at

    def signal(self, colour: str) -> None:
        value = {"type": "Property", "value": colour}
        body = {"pedestrianSignal": value}
        good(self._node, "POST", f"{API}/entities/{CROSSING}/attrs", body)


def on_red(street: Street, count: int) -> list[float]:
    """Let somebody step on the crossing at red so many times; return the delays. [ms]"""
    street.signal("red")
    delays = []
    for _ in range(count):
        began = street.say("camera", pedestrianCount=1)
        delays.append((street.until("warn") - began) * 1000)
        street.say("camera", pedestrianCount=0)
        street.until("clear")
    return delays


def coming(street: Street, count: int) -> list[float]:
    """Let a vehicle come near to somebody who has green so many times; return the delays. [ms]"""
    street.signal("green")
    delays = []
    for _ in range(count):
        street.say("camera", pedestrianCount=1)
        began = street.say("radar", vehicleDistance=40, vehicleSpeed=13.9)
        delays.append((street.until("warn") - began) * 1000)
        street.say("radar", vehicleDistance=40, vehicleSpeed=0)
        street.until("clear")
    return delays


def load(client: mqtt.Client, rate: float, stop: threading.Event) -> None:
    """Send messages of other sensors at an even rate."""
    began, number = time.perf_counter(), 0
    while not stop.is_set():
        while number < (time.perf_counter() - began) * rate:
            number += 1
            now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
            values = dict.fromkeys(QUANTITIES, number % 97)
            client.publish("v1/devices/air/up", json.dumps({"observedAt": now, **values}), qos=1)
        time.sleep(0.005)


def figures(delays: list[float]) -> dict[str, float]:
    found = sorted(delays)

    def share(part: float) -> float:
        return round(found[min(len(found) - 1, int(len(found) * part))], 2)

    late = sum(delay > IN_TIME_MS for delay in found)
    shares = {"p50_ms": share(0.5), "p99_ms": share(0.99), "p99_9_ms": share(0.999)}
    return {"events": len(found), **shares, "max_ms": round(found[-1], 2), "over_300_ms": late}


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--events", type=int, default=2_000, help="of each of the two kinds")
    given.add_argument("--load", type=float, default=0.0, help="messages a second beside them")
    given.add_argument("--nice", type=int, help="niceness, on a machine that is not quiet")
    options = given.parse_args()
    if options.nice is not None:
        machine.prefer(options.nice)
    with TemporaryDirectory() as folder, Server(Path(folder) / "centre", open=False) as centre:
        wanted = {"kind": "app", "name": "node", "reads": ["*"], "writes": ["*"]}
        environ = LIMITS | {
            "MADANG_EDGE_UPSTREAM": centre.url,
            "MADANG_EDGE_KEY": good(centre, "POST", "/trust/keys", wanted)["key"],
        }
        with Server(Path(folder) / "node", open=False, environ=environ) as node:
            clients = set_up(node, bool(options.load))
            street, stop = Street(node, clients), threading.Event()
            if options.load:
                args = (clients["air"], options.load, stop)
                threading.Thread(target=load, args=args, daemon=True).start()
            on_red(street, 20), coming(street, 20)  # warm up
            found = {
                "load_per_s": options.load,
                "pedestrian_on_red": figures(on_red(street, options.events)),
                "vehicle_coming": figures(coming(street, options.events)),
            }
            stop.set()
            for client in clients.values():
                client.disconnect()
                client.loop_stop()
    results = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    results[f"load_{options.load:g}_per_s"] = found | {"machine": machine.described()}
    machine.keep(RESULT, results)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
