"""What is tried on the street of a small town, in a process of its own; results are plain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from madang.twin.street.street import StreetFailed
from tests.twin.street_town import BEGIN_S, MIDDLE, street


def by_itself(folder: Path) -> dict[str, Any]:
    """Drive five minutes by the fixed plan."""
    shown: set[str] = set()
    with street(folder) as town:
        for _ in range(300):
            town.step()
            shown.add(town.lights(MIDDLE))
            assert town.sumo.trafficlight.getRedYellowGreenState(MIDDLE) == town.lights(MIDDLE)
        phases = {phase.state for phase in town.signals[MIDDLE].phases}
        vehicles = town.vehicles()
        return {
            "now": town.now,
            "mode": town.mode(MIDDLE),
            "phases": len(shown & phases),
            "shown": len(shown),
            "counts": town.counts(),
            "indicators": town.indicators()._asdict(),
            "ids": vehicles.ids,
            "lon": vehicles.lon.tolist(),
            "lat": vehicles.lat.tolist(),
            "speed": vehicles.speed.tolist(),
        }


def twice(folder: Path) -> list[Any]:
    """Drive the same two times, and once with another seed."""
    found = []
    for seed in (1, 1, 2):
        with street(folder, seed=seed) as town:
            for _ in range(100):
                town.step()
            at = town.vehicles()
            found.append((at.ids, at.lon.tolist(), at.speed.tolist()))
    return found


def asked(folder: Path) -> dict[str, Any]:
    """Ask a cabinet for the other phase, again and again."""
    with street(folder, demand=False) as town:
        other = 1 - town.phase(MIDDLE)[0] % 2
        refusals, shown = [], []
        for _ in range(60):
            refusals.append(town.request(MIDDLE, other))
            town.step()
            shown.append(town.lights(MIDDLE))
        return {
            "unknown": town.request(MIDDLE, 99),
            "refusals": refusals,
            "shown": shown,
            "phase": town.phase(MIDDLE)[0],
            "other": other,
            "state": town.signals[MIDDLE].phases[other].state,
            "mode": town.mode(MIDDLE),
        }


def seen(folder: Path) -> dict[str, Any]:
    """Look at a junction that a car comes to, which is then stopped."""
    with street(folder, demand=False) as town:
        town.add("me", ["n02-n12", "n32-n42"])
        nearest, behind = [], 0
        for _ in range(90):
            town.step()
            if "me" not in town.sumo.vehicle.getIDList():
                break
            view = town.seen(["n12"])["n12"]
            before = [one.distance for some in view.lanes.values() for one in some]
            nearest += before[:1]
            behind = max(behind, sum(map(len, view.out.values())))
        return {"nearest": nearest, "behind": behind, "all": len(town.seen())}


def crashed(folder: Path) -> dict[str, Any]:
    """Let a car stand on the road, and drive on."""
    with street(folder, demand=False) as town:
        town.add("me", ["n02-n12", "n32-n42"])
        for _ in range(8):
            town.step()
        ahead = [one._asdict() for one in town.ahead("me")]
        town.stop_vehicle("me")
        for _ in range(30):
            town.step()
        stood = town.vehicles(["me"]).speed.tolist()
        town.free_vehicle("me")
        for _ in range(10):
            town.step()
        return {"ahead": ahead, "stood": stood, "goes": town.vehicles(["me"]).speed.tolist()}


def closed(folder: Path) -> dict[str, Any]:
    """Close a street that cars are on the way to, and open it again."""
    with street(folder, demand=False) as town:
        town.add("me", ["n02-n12", "n12-n22", "n22-n32", "n32-n42"])
        town.step()
        town.close_edge("n12-n22", ["emergency"])
        way = town.sumo.vehicle.getRoute("me")
        town.add("later", ["n02-n12", "n32-n42"])
        town.add("help", ["n02-n12", "n32-n42"], "emergency")
        town.step()
        routes = {id: town.sumo.vehicle.getRoute(id) for id in ("later", "help")}
        town.open_edge("n12-n22")
        town.add("last", ["n02-n12", "n32-n42"])
        town.step()
        return {"me": way, **routes, "last": town.sumo.vehicle.getRoute("last")}


def refused(folder: Path) -> str:
    """Ask for what there is not."""
    with street(folder, demand=False) as town:
        try:
            town.add("me", ["nowhere", "n32-n42"])
        except StreetFailed as error:
            return str(error)
    return ""


def begins(folder: Path) -> float:
    with street(folder) as town:
        return town.now - BEGIN_S
