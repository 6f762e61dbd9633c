"""A small town as OpenStreetMap has it, and its timetable, for tests."""

from __future__ import annotations

import zipfile
from pathlib import Path

STEP = 0.0025
"""Between two crossings. [degree]"""
ORIGIN = (-15.43, 28.10)
SIZE = 4


def node(column: int, row: int) -> int:
    return 100 + 10 * column + row


def place(column: float, row: float) -> tuple[float, float]:
    return ORIGIN[0] + column * STEP, ORIGIN[1] + row * STEP


def _node(id: int, at: tuple[float, float], **tags: str) -> str:
    inner = "".join(f'<tag k="{key}" v="{value}"/>' for key, value in tags.items())
    return f'<node id="{id}" version="1" lat="{at[1]}" lon="{at[0]}">{inner}</node>'


def _way(id: int, nodes: list[int], **tags: str) -> str:
    refs = "".join(f'<nd ref="{one}"/>' for one in nodes)
    inner = "".join(f'<tag k="{key.replace("__", ":")}" v="{tags[key]}"/>' for key in tags)
    return f'<way id="{id}" version="1">{refs}{inner}</way>'


def _sorted(rows: list[str]) -> list[str]:
    return sorted(rows, key=lambda row: int(row.split('"')[1]))


def write_map(path: Path) -> Path:
    """Write a grid of streets with a signal, a way that leads nowhere, houses and a car park."""
    nodes, ways = [], []
    for column in range(SIZE):
        for row in range(SIZE):
            tags = {"highway": "traffic_signals"} if (column, row) == (1, 1) else {}
            nodes.append(_node(node(column, row), place(column, row), **tags))
    for number in range(SIZE):
        across = [node(column, number) for column in range(SIZE)]
        along = [node(number, row) for row in range(SIZE)]
        kind = "secondary" if number == 1 else "residential"
        ways.append(_way(200 + number, across, highway=kind, name=f"Calle {number}"))
        ways.append(_way(210 + number, along, highway=kind, name=f"Avenida {number}"))
    nodes.append(_node(400, place(3.8, 3)))
    ways.append(_way(220, [node(3, 3), 400], highway="residential", oneway="yes", name="Fin"))
    nodes.append(_node(402, place(0.5, -0.5), barrier="gate"))
    ways.append(_way(221, [node(0, 0), 402, node(1, 0)], highway="residential"))
    nodes.append(_node(403, place(2.5, -0.4)))
    ways.append(_way(222, [node(2, 0), 403], highway="service", service="driveway"))
    nodes.append(_node(404, place(3, -0.6)))
    ways.append(_way(223, [node(3, 0), 404], highway="construction", construction="tertiary"))
    corners = [(0.3, 0.3), (0.6, 0.3), (0.6, 0.6), (0.3, 0.6)]
    for first, shift in ((500, 0.0), (510, 1.0)):
        nodes += [_node(first + n, place(u + shift, v + shift)) for n, (u, v) in enumerate(corners)]
    ring = [500, 501, 502, 503, 500]
    ways.append(_way(300, ring, building="apartments", building__levels="5", name="Casa"))
    ways.append(_way(301, [n + 10 for n in ring], amenity="parking", name="P1"))
    path.write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\n<osm version="0.6">\n'
        + "\n".join([*_sorted(nodes), *_sorted(ways)])
        + "\n</osm>\n"
    )
    return path


def write_timetable(path: Path) -> Path:
    """Write a timetable: a line there and back along one street, on weekdays."""
    beside = 0.00006  # degrees, about 6 m: at the right of who drives there
    rows = [
        ("a", 0.5, 2, -beside), ("b", 1.5, 2, -beside), ("c", 2.5, 2, -beside),
        ("d", 2.5, 2, beside), ("e", 1.5, 2, beside), ("f", 0.5, 2, beside),
        ("sea", 60, 60, 0.0),
    ]  # fmt: skip
    stops = "".join(
        f"{id},Stop {id},{place(u, v)[1] + side:.6f},{place(u, v)[0]:.6f}\n"
        for id, u, v, side in rows
    )
    times, trips = [], []
    for number, hour in enumerate((7, 8, 25)):
        for trip, called in ((f"out{number}", "abc"), (f"back{number}", "def")):
            trips.append(f"7,{'weekend' if hour == 25 else 'week'},{trip}")
            times += [
                f"{trip},{hour:02d}:{2 * n:02d}:00,{hour:02d}:{2 * n:02d}:00,{stop},{n}"
                for n, stop in enumerate(called)
            ]
    trips.append("7,week,drowned")
    times += [f"drowned,09:0{n}:00,09:0{n}:00,sea,{n}" for n in range(2)]
    days = "monday,tuesday,wednesday,thursday,friday,saturday,sunday"
    tables = {
        "agency": "agency_name,agency_timezone\nGuaguas,Atlantic/Canary\n",
        "stops": f"stop_id,stop_name,stop_lat,stop_lon\n{stops}",
        "routes": "route_id,route_type,route_short_name\n7,3,L7\n9,1,Metro\n",
        "trips": "route_id,service_id,trip_id\n" + "\n".join(trips) + "\n",
        "stop_times": "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n"
        + "\n".join(times)
        + "\n",
        "calendar": f"service_id,start_date,end_date,{days}\n"
        "week,20230201,20230228,1,1,1,1,1,0,0\nweekend,20230201,20230228,0,0,0,0,0,1,1\n",
        "calendar_dates": "service_id,date,exception_type\nweek,20230228,2\n",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in tables.items():
            archive.writestr(f"{name}.txt", text)
    return path
