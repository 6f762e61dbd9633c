"""The stream of one layer: whatever happens, a viewer's screen shows what there is in its view."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from math import isnan, nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madang.model.errors import NgsiError
from madang.web.live import viewer as viewers
from madang.web.live.grid import SCALE, Area, area_of, cell_of
from madang.web.live.held import KEPT, Held, Spot
from madang.web.live.viewer import Viewer
from tests.web.live_screen import Screen, Seen, is_in

HOME = (126.9, 37.4, 127.1, 37.6)


class Shown:
    """A layer without a city behind it."""

    def __init__(self) -> None:
        self.held = Held()
        self.is_ready = True
        self.problem: NgsiError | None = None


def spot(longitude: float, latitude: float, value: float = nan, word: str = "") -> Spot:
    return Spot(round(longitude * SCALE), round(latitude * SCALE), value, word)


def looking(layer: Shown, *bounds: float) -> tuple[Viewer, Screen]:
    viewer, screen = Viewer(), Screen()
    look(viewer, screen, layer, bounds or HOME)
    return viewer, screen


def look(viewer: Viewer, screen: Screen, layer: Shown, bounds: Sequence[float]) -> None:
    viewer.look(area_of(*bounds), 14, [("a", layer)])  # type: ignore[list-item]
    screen.look(["a"])


def tell(viewer: Viewer, screen: Screen) -> int:
    """Pass on what there is to tell; return how many bytes that took."""
    messages = list(viewer.messages())
    for one in messages:
        screen.take(one)
    return sum(map(len, messages))


def test_a_viewer_is_told_what_there_is_and_then_what_is_new() -> None:
    layer = Shown()
    layer.held.put("urn:a", spot(127.0, 37.5, 3.5), 0.0)
    layer.held.put("urn:b", spot(127.01, 37.5, nan, "free"), 0.0)
    layer.held.put("urn:far", spot(129.0, 35.1), 0.0)
    layer.held.commit()
    viewer, screen = looking(layer)
    tell(viewer, screen)
    assert screen.shows("a").keys() == {"urn:a", "urn:b"}
    assert screen.shows("a")["urn:a"][:3] == (1_270_000_000, 375_000_000, 3.5)
    assert screen.shows("a")["urn:b"].word == "free"
    assert not list(viewer.messages())
    layer.held.put("urn:a", spot(127.0001, 37.5, 4.0), 5.0)
    layer.held.remove("urn:b", 6.0)
    layer.held.commit()
    (message,) = viewer.messages()
    told = screen.take(message).blocks[0].sections
    assert sum(len(one.numbers) for one in told) == 1
    assert not any(one.ids or one.whole for one in told)
    assert max(one.at for one in told) == 6.0
    assert screen.shows("a") == {"urn:a": (1_270_001_000, 375_000_000, 4.0, "")}


def test_what_stays_as_it_is_is_not_told() -> None:
    held = Held()
    held.put("urn:a", spot(127, 37, nan, "free"), 1.0)
    assert held.commit()
    held.put("urn:a", spot(127, 37, nan, "free"), 2.0)
    assert not held.commit()


def test_equal_news_are_made_once_for_all() -> None:
    layer = Shown()
    layer.held.put("urn:a", spot(127.0, 37.5), 0.0)
    layer.held.commit()
    area = area_of(*HOME)
    layer.held.put("urn:a", spot(127.001, 37.5), 0.0)
    layer.held.commit()
    assert layer.held.since(area, 1) is layer.held.since(area, 1)


def test_one_who_moves_to_another_cell_is_never_lost_from_sight() -> None:
    layer = Shown()
    layer.held.put("urn:a", spot(127.001, 37.5), 0.0)
    layer.held.commit()
    viewer, screen = looking(layer)
    tell(viewer, screen)
    layer.held.put("urn:a", spot(127.021, 37.5), 1.0)
    layer.held.commit()
    (message,) = viewer.messages()
    left, entered = sorted(screen.take(message).blocks[0].sections)
    assert (len(left.gone), entered.ids) == (1, ["urn:a"])
    assert screen.shows("a")["urn:a"].longitude == 1_270_210_000


def test_who_reads_slowly_is_told_the_newest_at_once() -> None:
    layer = Shown()
    for one in range(100):
        layer.held.put(f"urn:{one}", spot(127.0, 37.5 + one / 1e4), 0.0)
    layer.held.commit()
    viewer, screen = looking(layer)
    tell(viewer, screen)
    for turn in range(1, 10):
        for one in range(100):
            layer.held.put(f"urn:{one}", spot(127.0 + turn / 1e5, 37.5 + one / 1e4), 0.0)
        layer.held.commit()
    assert tell(viewer, screen) < 100 * 12 + 200
    assert all(seen.longitude == 1_270_000_900 for seen in screen.shows("a").values())


def test_a_page_that_comes_to_nothing_is_told_the_newest_when_it_does() -> None:
    layer = Shown()
    viewer, screen = looking(layer)
    tell(viewer, screen)
    viewer.seen(1)
    told = 0
    for turn in range(30):
        layer.held.put("urn:a", spot(127.0 + turn / 1e5, 37.5), 0.0)
        layer.held.commit()
        told += tell(viewer, screen) > 0
    assert told == viewers.MOST_UNSEEN
    viewer.seen(8)
    tell(viewer, screen)
    assert screen.shows("a")["urn:a"].longitude == 1_270_002_900


def test_who_slept_long_is_told_whole_cells_but_only_those_that_changed() -> None:
    layer = Shown()
    layer.held.put("urn:still", spot(126.95, 37.5), 0.0)
    layer.held.put("urn:moves", spot(127.0, 37.5), 0.0)
    layer.held.commit()
    viewer, screen = looking(layer)
    tell(viewer, screen)
    for turn in range(KEPT + 5):
        layer.held.put("urn:moves", spot(127.0 + turn / 1e5, 37.5), 0.0)
        layer.held.commit()
    (message,) = viewer.messages()
    (section,) = screen.take(message).blocks[0].sections
    assert section.whole
    assert screen.shows("a").keys() == {"urn:still", "urn:moves"}


def test_a_look_elsewhere_forgets_what_is_out_of_view_and_brings_only_what_is_new() -> None:
    layer = Shown()
    for one in range(20):
        layer.held.put(f"urn:{one}", spot(127.01 + one * 0.02, 37.51), 0.0)
    layer.held.commit()
    viewer, screen = looking(layer, 127.0, 37.5, 127.1, 37.52)
    tell(viewer, screen)
    look(viewer, screen, layer, (127.06, 37.5, 127.16, 37.52))
    (message,) = viewer.messages()
    told = screen.take(message)
    assert sum(len(one.ids) for one in told.blocks[0].sections) == 3
    assert len(screen.shows("a")) == len(told.blocks[0].sections) + 3


def test_a_layer_in_which_nothing_is_says_so() -> None:
    viewer, screen = looking(Shown())
    (message,) = viewer.messages()
    assert screen.take(message).blocks[0].anew


def test_much_comes_in_several_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewers, "MOST_BYTES", 4_000)
    layer = Shown()
    for one in range(1_000):
        layer.held.put(f"urn:{one}", spot(126.9 + one % 10 * 0.02, 37.41 + one % 9 * 0.02), 0.0)
    layer.held.commit()
    viewer, screen = looking(layer)
    messages = list(viewer.messages())
    assert len(messages) > 5
    assert max(map(len, messages)) < 8_000
    for message in messages:
        screen.take(message)
    assert (len(screen.shows("a")), screen.anew) == (1_000, 1)


def test_far_away_one_is_told_once_a_second() -> None:
    layer = Shown()
    viewer, screen = Viewer(), Screen()
    viewer.look(area_of(*HOME), 8, [("a", layer)])  # type: ignore[list-item]
    screen.look(["a"])
    tell(viewer, screen)
    layer.held.put("urn:a", spot(127.0, 37.5), 0.0)
    layer.held.commit()
    assert not list(viewer.messages())


def test_cells_that_were_passed_through_are_forgotten_in_the_end() -> None:
    layer = Shown()
    viewer, screen = looking(layer, -180, -90, 180, 90)
    tell(viewer, screen)
    for one in range(5_000):
        layer.held.put("urn:a", spot(-170 + one * 0.02, 0.01), 0.0)
        layer.held.commit()
    assert len(layer.held._cells) < 4_200
    layer.held.put("urn:a", spot(0, 0.01), 0.0)
    layer.held.commit()
    tell(viewer, screen)
    assert screen.shows("a").keys() == {"urn:a"}
    assert screen.anew == 2


async def test_a_viewer_waits_until_it_is_woken() -> None:
    viewer = Viewer()
    waiting = asyncio.ensure_future(viewer.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    viewer.wake()
    await asyncio.wait_for(waiting, 1)


@pytest.mark.parametrize(
    ("bounds", "inside", "outside"),
    [
        ((126.9, 37.4, 127.1, 37.6), (127.0, 37.5), (127.3, 37.5)),
        ((179.5, -1, -179.5, 1), (179.9, 0), (0, 0)),
        ((179.5, -1, 180.5, 1), (-179.9, 0), (0, 0)),
        ((-400, -80, 400, 80), (13, 52), (13, 85)),
        ((-180, -90, 180, 90), (180, 90), None),
    ],
)
def test_an_area_is_what_a_window_shows(
    bounds: tuple[float, float, float, float],
    inside: tuple[float, float],
    outside: tuple[float, float] | None,
) -> None:
    area = area_of(*bounds)

    def is_held(place: tuple[float, float]) -> bool:
        cell = cell_of(round(place[0] * SCALE), round(place[1] * SCALE))
        assert area.holds(cell) == is_in(area, cell)
        return area.holds(cell)

    assert is_held(inside)
    assert outside is None or not is_held(outside)


# --- any history of changes and looks -----------------------------------------------------------

WINDOWS = [(0.0, 0.0, 0.05, 0.05), (0.03, 0.0, 0.09, 0.09), (0.0, 0.0, 0.2, 0.2), (5, 5, 6, 6)]
PLACES = st.tuples(st.integers(0, 9), st.integers(0, 9)).map(lambda at: (at[0] / 100, at[1] / 100))
STEPS = st.one_of(
    st.tuples(
        st.just("put"),
        st.integers(0, 8),
        PLACES,
        st.sampled_from([nan, 1.0, 2.5]),
        st.sampled_from(["", "free", "한낮"]),
    ),
    st.tuples(st.just("remove"), st.integers(0, 8)),
    st.just(("commit",)),
    st.tuples(st.just("skip"), st.integers(1, KEPT + 2)),
    st.tuples(st.just("look"), st.integers(0, 1), st.integers(0, len(WINDOWS) - 1)),
    st.tuples(st.just("tell"), st.integers(0, 1)),
    st.just(("forget",)),
)


def expected(there: dict[str, Spot], area: Area) -> dict[str, Seen]:
    return {
        id: Seen(*one)
        for id, one in there.items()
        if area.holds(cell_of(one.longitude, one.latitude))
    }


def plain(seen: dict[str, Seen]) -> dict[str, tuple[object, ...]]:
    """Return it so that numbers that are missing are equal."""
    return {
        id: (*one[:2], None if isnan(one.value) else one.value, one.word)
        for id, one in seen.items()
    }


@settings(max_examples=200)
@given(st.lists(STEPS, max_size=60))
def test_every_screen_shows_in_the_end_what_there_is(steps: list[tuple[object, ...]]) -> None:
    """Two viewers, who look about and read when they please."""
    layer, there = Shown(), dict[str, Spot]()
    both = [looking(layer, *WINDOWS[0]), looking(layer, *WINDOWS[1])]
    areas = [area_of(*WINDOWS[0]), area_of(*WINDOWS[1])]
    for step in steps:
        match step:
            case ("put", int(one), (float(longitude), float(latitude)), float(value), str(word)):
                there[f"urn:{one}"] = spot(longitude, latitude, value, word)
                layer.held.put(f"urn:{one}", there[f"urn:{one}"], 1.0)
            case ("remove", int(one)):
                there.pop(f"urn:{one}", None)
                layer.held.remove(f"urn:{one}", 1.0)
            case ("commit",):
                layer.held.commit()
            case ("skip", int(count)):
                for turn in range(count):
                    there["urn:x"] = spot(turn / 1e4, 0)
                    layer.held.put("urn:x", there["urn:x"], 1.0)
                    layer.held.commit()
            case ("look", int(which), int(window)):
                look(*both[which], layer, WINDOWS[window])
                areas[which] = area_of(*WINDOWS[window])
            case ("tell", int(which)):
                tell(*both[which])
            case _:
                if not layer.held._news:
                    layer.held._forget_empty()
    layer.held.commit()
    for (viewer, screen), area in zip(both, areas, strict=True):
        tell(viewer, screen)
        assert plain(screen.shows("a")) == plain(expected(there, area))
