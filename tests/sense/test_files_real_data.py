"""What recorded files of cities are taken for, without any help."""

from __future__ import annotations

from itertools import islice
from typing import Any

import orjson
import pytest

from madang.sense.files.entities import EntityReader, Failure
from madang.sense.files.look import look_at
from madang.sense.files.mapping import Mapping
from madang.sense.files.source import open_source
from tests.recorded import DATA, needs

BEIJING = "iot/air_prsa_beijing/PRSA_Data_Dongsi_20130301-20170228.csv.gz"
DUST = "iot/air_sensor_community_aberdeen/sds011_5331_2018-02.csv.gz"
NODES = "iot/sdot_seoul/sensor_longitude_latitude.csv"
BIRMINGHAM = "mobility/parking/birmingham_2016.csv.gz"
FRANKFURT = "mobility/parking/frankfurt_facility_2021_10.csv.gz"
SEATTLE = "mobility/bike_counters/seattle_fremont_2012-10_2018-07.csv.gz"
EUROSTAT = "indicators/eurostat_urb_cpop1.csv"
CITIES = "indicators/un_wup2018_f12_cities_over_300k.csv"
WATER = "water/daiad_alicante/hourly_meters_2016-03_2017-02.csv.gz"
ENERGY = "energy/lcl_london/lcl_2013_halfhourly_wide.csv.gz"
BALTIMORE = "citizens/311/baltimore_sample_2014-2019.csv.gz"

pytestmark = needs(
    BEIJING, DUST, NODES, BIRMINGHAM, FRANKFURT, SEATTLE, EUROSTAT, CITIES, WATER, ENERGY, BALTIMORE
)


def guess(name: str) -> Mapping:
    look = look_at(DATA / name)
    assert look is not None
    return look.guess()


def entities(name: str, most: int = 3000) -> tuple[list[dict[str, Any]], list[Failure]]:
    with open_source(DATA / name) as source:
        found = list(islice(EntityReader(source, None, None), most))
    failures = [item for item in found if isinstance(item, Failure)]
    return [orjson.loads(item.body) for item in found if not isinstance(item, Failure)], failures


@pytest.mark.parametrize(
    ("name", "kind", "id"),
    [
        (BEIJING, "AirQualityObserved", "{station}"),
        (DUST, None, "{sensor_id}"),
        (NODES, "Device", "{시리얼}"),
        (BIRMINGHAM, "OffStreetParking", "{SystemCodeNumber}"),
        (FRANKFURT, "OffStreetParking", "{id}"),
        (SEATTLE, None, "seattle_fremont_2012-10_2018-07"),
        (CITIES, None, "{City Code}"),
        (WATER, None, "{household}"),
        (BALTIMORE, None, "{SRRecordID}"),
    ],
)
def test_types_and_ids_of_real_files(name: str, kind: str | None, id: str) -> None:
    part = guess(name).entity[0]
    assert part.id.endswith(f":{id}")
    assert kind is None or part.type == kind


@pytest.mark.parametrize(
    ("name", "columns", "form"),
    [
        (BEIJING, ["year", "month", "day", "hour"], "%Y %m %d %H"),
        (DUST, ["timestamp"], ""),
        (BIRMINGHAM, ["LastUpdated"], ""),
        (SEATTLE, ["Date"], "%m/%d/%Y %I:%M:%S %p"),
        (WATER, ["datetime"], ""),
        (ENERGY, ["timestamp"], ""),
    ],
)
def test_times_of_real_files(name: str, columns: list[str], form: str) -> None:
    observed = guess(name).observed
    assert observed is not None
    assert (observed.columns, observed.format) == (columns, form)


@pytest.mark.parametrize(
    "name", [BEIJING, DUST, NODES, BIRMINGHAM, FRANKFURT, SEATTLE, EUROSTAT, CITIES, WATER]
)
def test_no_row_of_a_real_file_fails_by_its_guess(name: str) -> None:
    made, failures = entities(name)
    assert made
    assert not failures


def test_names_and_units_of_air_and_parking_are_those_of_the_smart_data_models() -> None:
    air, parking = guess(BEIJING).attributes, guess(BIRMINGHAM).attributes
    assert {name: air[name].unit for name in ("pm25", "o3", "temperature", "windSpeed")} == {
        "pm25": "GQ", "o3": "GQ", "temperature": "CEL", "windSpeed": "MTS",
    }  # fmt: skip
    assert air["windDirection"].kind == "bearing"
    assert parking["totalSpotNumber"].column == "Capacity"
    assert parking["occupiedSpotNumber"].column == "Occupancy"


def test_eurostat_has_titles_above_missing_marks_and_thousands_commas() -> None:
    made, _ = entities(EUROSTAT)
    belgium = next(one for one in made if one["CITIES_TIME"]["value"] == "Belgium")
    assert belgium["column_2008"]["value"] == 10_666_866
    assert "column_2017" not in belgium  # written as ":"
    assert not any(one["CITIES_TIME"]["value"] == "Special value:" for one in made)
