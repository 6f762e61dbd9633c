"""A lake answers the same whether rows wait in memory, lie in small files, or were merged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import polars
import pytest

from madang.lake import upkeep
from madang.lake.ducklake import DuckLake
from madang.lake.engine import Engine
from madang.lake.periods import parse
from madang.lake.questions import HeldBack, Hold, Policy, Series, Wanted
from madang.model import time
from madang.model.errors import BadRequestData
from madang.query.tree import Compare, Geo, HasType, InScope, Query, Selector, Temporal
from madang.query.tree import Path as Term
from tests.contract import lakes
from tests.contract.lakes import MakeCatalog
from tests.lake.outbox import HOUR, SECOND, T0, Outbox, entity

pytestmark = pytest.mark.slow

HERE = '{"type":"Point","coordinates":[1,1]}'


@pytest.fixture(scope="module", params=lakes.EVERY, ids=lambda make: str(make.__name__))
def catalog(request: pytest.FixtureRequest) -> MakeCatalog:
    make: MakeCatalog = request.param
    return make


def place(lon: float, lat: float) -> dict[str, object]:
    return {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [lon, lat]}}


def seen(value: float, at: int) -> dict[str, object]:
    return {"type": "Property", "value": value, "unitCode": "CEL", "observedAt": time.render(at)}


def waits(lake: DuckLake) -> None:
    """Leave rows in memory."""


def drained(lake: DuckLake) -> None:
    lake.drain()


def merged(lake: DuckLake) -> None:
    lake.drain()
    lake.maintain(whole=True)


def furnished(lake: DuckLake, how: Callable[[DuckLake], None]) -> DuckLake:
    """Return a lake with three rooms that have five temperatures each, an hour apart."""
    outbox = Outbox()
    for step in range(5):
        at = T0 + step * HOUR
        rooms = [
            entity(
                f"urn:r:{n}",
                at=at,
                temperature=seen(20 + n + step, at - SECOND),
                location=place(n, n),
                name=f"room {n}",
                scope=f"/floor/{n}",
            )
            for n in range(3)
        ]
        names = ["temperature", "location", "name"] if step == 0 else ["temperature"]
        lake.take([outbox.put(*rooms, names=names)])
        if how is not waits:
            lake.drain()
    how(lake)
    return lake


@pytest.fixture(scope="module", params=[waits, drained, merged], ids=lambda how: how.__name__)
def city(
    request: pytest.FixtureRequest,
    duckdb_engine: Engine,
    catalog: MakeCatalog,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[DuckLake]:
    """Three rooms, to be read only: making a lake takes longer than reading it."""
    lake = DuckLake(duckdb_engine, catalog(tmp_path_factory.mktemp("city") / "lake"))
    yield furnished(lake, request.param)
    lake.close()


@pytest.fixture
def own_city(lake: DuckLake) -> DuckLake:
    """Three rooms in files, to be changed."""
    return furnished(lake, drained)


def only(*ids: str) -> Query:
    return Query(selectors=(Selector(ids=ids),))


def values(lake: DuckLake, wanted: Wanted) -> dict[str, list[object]]:
    pasts = lake.pasts(wanted).entities
    return {past.id: [one.value for one in past.instances] for past in pasts}


def test_the_window_decides_what_is_seen(city: DuckLake) -> None:
    window = Temporal("between", T0, T0 + 3 * HOUR)
    wanted = Wanted(only("urn:r:1"), ("temperature",), temporal=window)
    assert values(city, wanted) == {"urn:r:1": [22, 23, 24]}
    before = Wanted(only("urn:r:1"), ("temperature",), temporal=Temporal("before", T0))
    assert values(city, before) == {"urn:r:1": [21]}


def test_last_n_are_the_newest_first(city: DuckLake) -> None:
    assert values(city, Wanted(only("urn:r:0"), ("temperature",), last_n=2)) == {
        "urn:r:0": [24, 23]
    }


def test_pages_of_entities_know_their_count(city: DuckLake) -> None:
    query = Query((Selector(types=HasType("Room")),), limit=2, offset=1, count=True)
    page = city.pasts(Wanted(query, ("temperature",)))
    assert ([past.id for past in page.entities], page.count, page.more) == (
        ["urn:r:1", "urn:r:2"],
        3,
        False,
    )


def test_q_place_and_scope_choose_entities(city: DuckLake) -> None:
    warm = Query(q=Compare(Term("temperature"), ">", 25))
    assert list(values(city, Wanted(warm, ("temperature",)))) == ["urn:r:2"]
    near = Query(geo=Geo("near", HERE, max_distance=1000.0))
    assert list(values(city, Wanted(near, ("temperature",)))) == ["urn:r:1"]
    floor = Query(scope=InScope(("floor", "0")))
    assert list(values(city, Wanted(floor, ("temperature",)))) == ["urn:r:0"]


def test_periods_have_their_aggregates(city: DuckLake) -> None:
    wanted = Wanted(only("urn:r:0"), ("temperature",), temporal=Temporal("after", T0 - HOUR))
    rows = city.aggregates(wanted, ["avg", "totalCount", "max"], parse("PT2H")).rows
    assert [(one.start - T0, one.end - T0, one.values) for one in rows] == [
        (-HOUR, HOUR, {"avg": 20.5, "totalCount": 2, "max": 21.0}),
        (HOUR, 3 * HOUR, {"avg": 22.5, "totalCount": 2, "max": 23.0}),
        (3 * HOUR, 5 * HOUR, {"avg": 24.0, "totalCount": 1, "max": 24.0}),
    ]


@pytest.mark.parametrize("temporal", [None, Temporal("after", T0 - HOUR)])
def test_too_many_periods_are_refused_whatever_the_window(
    city: DuckLake, temporal: Temporal | None
) -> None:
    wanted = Wanted(Query(), temporal=temporal)
    with pytest.raises(BadRequestData, match="1,000,000 periods"):
        city.aggregates(wanted, ["avg"], parse("PT0.000001S"))


def test_texts_have_counts_and_bounds_only(city: DuckLake) -> None:
    (row,) = city.aggregates(
        Wanted(only("urn:r:0"), ("name",)), ["min", "avg", "totalCount"], None
    ).rows
    assert row.values == {"min": "room 0", "avg": None, "totalCount": 1}


def test_a_frame_puts_attributes_side_by_side(city: DuckLake) -> None:
    frame = city.frame(Series(("temperature", "name"), every=parse("PT1H"), fill="previous"))
    assert frame.columns == ["entity", "time", "temperature", "name"]
    assert frame["temperature"].dtype == polars.Float64
    first = frame.filter(polars.col("entity") == "urn:r:0")
    assert first["name"].to_list() == ["room 0"] * 5
    assert first["temperature"].to_list() == [20, 21, 22, 23, 24]


def test_a_frame_over_an_area_has_what_lay_in_it(city: DuckLake) -> None:
    area = Query(geo=Geo("near", HERE, max_distance=1000.0))
    frame = city.frame(Series(("temperature",), area, every=parse("P1D"), together=True))
    assert frame["temperature"].to_list() == [23.0]


def test_the_city_is_as_it_was(city: DuckLake) -> None:
    state = city.state("urn:r:1", T0 + HOUR)
    assert state is not None
    assert state.document["temperature"]["value"] == 22
    assert state.document["scope"] == "/floor/1"
    assert city.state("urn:r:1", T0 - HOUR) is None
    warm = Query(q=Compare(Term("temperature"), ">", 22), count=True)
    found, count, more = city.states(warm, T0 + HOUR)
    assert ([one.id for one in found], count, more) == (["urn:r:2"], 1, False)


def test_what_differs_between_two_times_is_told(city: DuckLake) -> None:
    told = list(city.differences(only("urn:r:0", "urn:r:2"), T0, T0 + HOUR))
    assert [(one.id, one.before is None, one.after is None) for one in told] == [
        ("urn:r:0", False, False),
        ("urn:r:2", False, False),
    ]
    assert list(city.differences(Query(), T0 + 9 * HOUR, T0 + 10 * HOUR)) == []


def test_the_log_goes_on_from_a_position(city: DuckLake) -> None:
    assert [one.seq for one in city.log(0, 4)] == [1, 2, 3, 4]
    assert [one.seq for one in city.log(13, 100)] == [14, 15]
    assert city.log(15, 10) == []
    assert {one.kind for one in city.log(0, 3)} == {"created"}
    assert city.position(T0) == 3
    assert city.position(T0 - 1) == 0


def test_an_instance_is_changed_and_deleted_by_its_id(own_city: DuckLake) -> None:
    wanted = Wanted(only("urn:r:1"), ("temperature",))
    first, second, *_ = own_city.pasts(wanted).entities[0].instances
    assert own_city.change(
        "urn:r:1", "temperature", first.id, first._replace(value=0, modified=T0 + 9)
    )
    assert own_city.remove("urn:r:1", "temperature", instance=second.id) == 1
    assert values(own_city, wanted) == {"urn:r:1": [0, 23, 24, 25]}
    changed = own_city.pasts(wanted).entities[0].instances[0]
    assert (changed.id, changed.modified, changed.created) == (first.id, T0 + 9, first.created)
    assert not own_city.change("urn:r:1", "temperature", second.id, second)
    assert own_city.remove("urn:r:1", "temperature", instance=second.id) == 0


def test_what_was_added_takes_its_place_in_time(own_city: DuckLake) -> None:
    wanted = Wanted(only("urn:r:1", "urn:new:1"), ("temperature",))
    one = own_city.pasts(wanted).entities[0].instances[2]
    own_city.add([one._replace(value=-1), one._replace(entity="urn:new:1", value=7)])
    assert values(own_city, wanted) == {"urn:new:1": [7], "urn:r:1": [21, 22, -1, 24, 25]}
    own_city.maintain(whole=True)
    assert values(own_city, wanted) == {"urn:new:1": [7], "urn:r:1": [21, 22, -1, 24, 25]}
    assert own_city.state("urn:new:1", one.time) is not None


def test_an_entity_is_forgotten_whole(own_city: DuckLake) -> None:
    assert own_city.remove("urn:r:1") > 0
    assert values(own_city, Wanted(only("urn:r:1"))) == {}
    assert own_city.remove("urn:r:1") == 0
    assert len(own_city.states(Query(), T0 + HOUR)[0]) == 2


def test_what_was_forgotten_is_no_longer_on_the_disk(
    own_city: DuckLake, catalog: MakeCatalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "SNAPSHOT_MINUTES", 0)
    own_city.remove("urn:r:1")
    for _ in range(2):
        own_city.maintain(whole=True)
    left = lakes.files(catalog, tmp_path / "lake")
    assert left
    with own_city.reading() as cursor:
        for file in left:
            found = cursor.execute(f"SELECT DISTINCT entity FROM read_parquet('{file}')")
            assert ("urn:r:1",) not in found.fetchall()


def test_who_has_begun_to_read_still_finds_the_files_after_they_were_merged(
    own_city: DuckLake,
) -> None:
    one = own_city.pasts(Wanted(only("urn:r:1"), ("temperature",))).entities[0].instances[0]
    own_city.add([one._replace(entity="urn:new:1")])
    rows = own_city.figures().rows
    with own_city.reading() as cursor:
        own_city.maintain(whole=True)
        assert cursor.execute("SELECT count(*) FROM history").fetchall() == [(rows,)]
    assert own_city.figures().files == 1


def test_policies_delete_and_thin_out_but_heed_holds(own_city: DuckLake) -> None:
    now = T0 + 10 * HOUR
    thin = Policy("thin", parse("PT5H"), ("Room",), ("temperature",), parse("PT2H"))
    own_city.hold([Hold("case 7", "court order", ids=("urn:r:2",))])
    gone = own_city.retain([thin], now)
    assert gone == own_city.retain([thin], now) + gone, "the second time finds nothing"
    assert len(values(own_city, Wanted(only("urn:r:2"), ("temperature",)))["urn:r:2"]) == 5
    assert (
        len(values(own_city, Wanted(only("urn:r:0"), ("temperature",)))["urn:r:0"]) == 5 - gone // 2
    )
    with pytest.raises(HeldBack, match="case 7"):
        own_city.remove("urn:r:2")
    assert own_city.retain([Policy("all", parse("PT1H"), ("Room",))], now) > 0
    assert list(values(own_city, Wanted(Query(), ("temperature",)))) == ["urn:r:2"]
    assert own_city.check() == []


def test_figures_and_checks_tell_what_is_there(
    own_city: DuckLake, catalog: MakeCatalog, tmp_path: Path
) -> None:
    figures = own_city.figures()
    assert (figures.rows, figures.waiting, figures.drained) == (27, 0, 15)
    assert figures.last == T0 + 4 * HOUR - SECOND
    assert own_city.check() == []
    if catalog is lakes.bucket:
        return  # tests/lake/test_bucket.py spoils objects
    file = next((tmp_path / "lake").rglob("*.parquet"))
    file.write_bytes(file.read_bytes()[:-1])
    assert any("bytes instead of" in fault for fault in own_city.check())


def test_a_lake_is_there_again_after_a_restart(
    duckdb_engine: Engine, catalog: MakeCatalog, tmp_path: Path
) -> None:
    folder, moved = tmp_path / "before", tmp_path / "after"
    outbox = Outbox()
    lake = DuckLake(duckdb_engine, catalog(folder))
    lake.take([outbox.put(entity("urn:r:1", a=1))])
    lake.drain()
    lake.take([outbox.put(entity("urn:r:1", a=2, at=T0 + 1))])
    lake.close()
    if folder.exists():
        folder.rename(moved)
    lakes.moved(folder, moved)
    again = DuckLake(duckdb_engine, catalog(moved))
    assert (again.taken, again.drained) == (1, 1)
    again.take(outbox.blocks)
    assert values(again, Wanted(only("urn:r:1"))) == {"urn:r:1": [1, 2]}
    again.close()


def test_numbers_that_come_again_after_a_restore_lose_nothing(lake: DuckLake) -> None:
    outbox = Outbox()
    lake.take([outbox.put(entity("urn:r:1", a=n, at=T0 + n)) for n in range(4)])
    lake.drain()
    lake.rewind(2)
    other = Outbox()
    other.last = 2
    lake.take([other.put(entity("urn:r:1", a=9, at=T0 + 9))])
    assert sorted(map(str, values(lake, Wanted(only("urn:r:1")))["urn:r:1"])) == list("01239")
    assert [one.seq for one in lake.log(0, 10)] == [1, 2, 3]


def frame(rows: int) -> polars.DataFrame:
    return polars.DataFrame(
        {
            "entity": [f"urn:s:{n % 3}" for n in range(rows)],
            "type": ["Sensor"] * rows,
            "attribute": ["level"] * rows,
            "time": [n * SECOND for n in range(rows)],
            "number": [float(n) for n in range(rows)],
        }
    ).with_columns(polars.col("time").cast(polars.Datetime("us")))


@pytest.fixture(params=["frame", "file"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[polars.DataFrame | Path]:
    if request.param == "frame":
        yield frame(300)
    else:
        frame(300).write_parquet(tmp_path / "years.parquet")
        yield tmp_path / "years.parquet"


def test_years_of_files_are_loaded_beside_what_is_there(
    lake: DuckLake, source: polars.DataFrame | Path
) -> None:
    assert lake.load(source, created=T0) == 300
    got = lake.frame(Series(("level",), only("urn:s:1")))
    assert got["level"].to_list() == [float(n) for n in range(1, 300, 3)]
    assert lake.state("urn:s:1", 10 * SECOND) is not None
    assert lake.log(0, 10) == [], "no follower is woken"
    assert len({one.id for one in lake.pasts(Wanted(only("urn:s:1"))).entities[0].instances}) == 100


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.drop("time"), "must have the column time"),
        (lambda f: f.drop("number"), "number, text or json"),
        (lambda f: f.with_columns(colour=polars.lit(1)), "no column colour"),
        (lambda f: f.with_columns(entity=polars.lit(None).cast(polars.String)), "must have entity"),
    ],
)
def test_what_cannot_be_loaded_is_said(
    lake: DuckLake, change: Callable[[polars.DataFrame], polars.DataFrame], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        lake.load(change(frame(3)), created=T0)
    assert lake.figures().rows == 0
