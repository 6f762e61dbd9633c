"""A base map from a PMTiles file: tiles as they are stored, and words about unusable files."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
from pmtiles.tile import Compression, TileType, zxy_to_tileid
from pmtiles.writer import Writer

from madang.web.maps.tiles import BaseMap, UnusableTiles

HEADER: dict[str, Any] = {
    "tile_type": TileType.MVT, "tile_compression": Compression.GZIP,
    "min_zoom": 0, "max_zoom": 14, "min_lon_e7": 1_269_000_000, "min_lat_e7": 375_000_000,
    "max_lon_e7": 1_271_000_000, "max_lat_e7": 376_000_000, "center_zoom": 10,
    "center_lon_e7": 1_270_000_000, "center_lat_e7": 375_500_000,
}  # fmt: skip
WRITER: Any = Writer  # its functions have no types
METADATA = {"attribution": "the city", "vector_layers": [{"id": "water"}, {"id": "roads"}]}


def tiles_file(path: Path, count: int = 3, **header: Any) -> Path:
    with path.open("wb") as file:
        writer = WRITER(file)
        for column in range(count):
            writer.write_tile(
                zxy_to_tileid(14, 13_000 + column, 6_000), gzip.compress(b"tile%d" % column)
            )
        writer.finalize({**HEADER, **header}, METADATA)
    return path


def test_tiles_come_as_they_are_stored(tmp_path: Path) -> None:
    base = BaseMap(tiles_file(tmp_path / "city.pmtiles"))
    assert gzip.decompress(base.tile(14, 13_001, 6_000) or b"") == b"tile1"
    assert (base.encoding, base.media_type) == ("gzip", "application/vnd.mapbox-vector-tile")


def test_tiles_are_found_through_many_directories(tmp_path: Path) -> None:
    base = BaseMap(tiles_file(tmp_path / "city.pmtiles", 3_000))
    for column in (0, 1, 1_500, 2_999):
        assert gzip.decompress(base.tile(14, 13_000 + column, 6_000) or b"") == b"tile%d" % column


@pytest.mark.parametrize(
    "place", [(14, 1, 1), (14, -1, 0), (2, 4, 0), (23, 0, 0), (-1, 0, 0), (14, 0, 1 << 14)]
)
def test_where_there_is_no_tile_there_is_none(tmp_path: Path, place: tuple[int, int, int]) -> None:
    assert BaseMap(tiles_file(tmp_path / "city.pmtiles")).tile(*place) is None


def test_a_map_is_told_what_it_must_know(tmp_path: Path) -> None:
    assert BaseMap(tiles_file(tmp_path / "city.pmtiles")).about() == {
        "minzoom": 14, "maxzoom": 14, "bounds": [126.9, 37.5, 127.1, 37.6],
        "attribution": "the city", "format": "vector", "layers": ["water", "roads"],
    }  # fmt: skip


@pytest.mark.parametrize("content", [b"", b"PMTiles", b"\0" * 500, b"PK\3\4" + b"x" * 500])
def test_a_file_that_is_none_is_refused_with_what_to_do(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "wrong.pmtiles"
    path.write_bytes(content)
    with pytest.raises(UnusableTiles, match=r"basemap: .*wrong\.pmtiles"):
        BaseMap(path)
    with pytest.raises(UnusableTiles, match="or leave the setting out"):
        BaseMap(tmp_path / "missing.pmtiles")


def test_tiles_that_browsers_cannot_unpack_are_refused(tmp_path: Path) -> None:
    path = tiles_file(tmp_path / "city.pmtiles", tile_compression=Compression.ZSTD)
    with pytest.raises(UnusableTiles, match="plain or gzip"):
        BaseMap(path)
