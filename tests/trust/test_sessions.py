"""Sessions: how long they hold, and how they end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from madang.model.errors import ResourceNotFound, Unauthorized
from madang.trust import credentials
from madang.trust.sessions import MOST_EACH
from tests.trust.people import ADDRESS, PASSWORD, City, Clock, city

HOUR = 3600
DAY = 24 * HOUR


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[City]:
    async with city(tmp_path) as found:
        await found.person("jin", "operator")
        await found.person("kim", "citizen")
        yield found


async def enter(place: City, name: str = "jin") -> str:
    return (await place.identities.sign_in(name, PASSWORD, ADDRESS, "Firefox")).credential


def is_known(place: City, credential: str) -> bool:
    try:
        place.identities.principal_of(credential, ADDRESS)
    except Unauthorized:
        return False
    return True


async def test_a_session_of_staff_ends_after_an_hour_of_quiet(place: City) -> None:
    credential = await enter(place)
    place.clock.step(HOUR - 1)
    assert is_known(place, credential)
    place.clock.step(HOUR + 1)
    assert not is_known(place, credential)


async def test_a_session_of_staff_ends_after_a_day_however_busy(place: City) -> None:
    credential = await enter(place)
    for _ in range(47):
        place.clock.step(HOUR / 2)
        assert is_known(place, credential)
    place.clock.step(HOUR / 2)
    assert not is_known(place, credential)


async def test_a_session_of_a_citizen_lasts_for_weeks(place: City) -> None:
    credential = await enter(place, "kim")
    place.clock.step(13 * DAY)
    assert is_known(place, credential)
    place.clock.step(13 * DAY)
    assert is_known(place, credential)
    place.clock.step(5 * DAY)
    assert not is_known(place, credential)


async def test_what_keeps_a_session_alive_is_kept_over_a_restart(tmp_path: Path) -> None:
    clock = Clock()
    async with city(tmp_path, clock) as place:
        await place.person("jin")
        credential = await enter(place)
        clock.step(HOUR - 10)
        assert is_known(place, credential)
    clock.step(HOUR - 10)
    async with city(tmp_path, clock) as place:
        assert is_known(place, credential)
    clock.step(DAY)
    async with city(tmp_path, clock) as place:
        assert not is_known(place, credential)
        assert await place.records.all("session") == {}


async def test_a_session_ends_at_once(place: City) -> None:
    credential = await enter(place)
    assert is_known(place, credential)
    session = place.identities.session_of(credential)
    assert session is not None
    await place.identities.sign_out(session)
    assert not is_known(place, credential)
    with pytest.raises(ResourceNotFound, match="over already"):
        await place.identities.end_session(session.id, "service:local")


async def test_others_are_told_when_a_session_ends(place: City) -> None:
    signed_in = await place.identities.sign_in("jin", PASSWORD, ADDRESS)
    told: list[str] = []
    place.identities.on_change.append(told.append)
    await place.identities.sign_out(signed_in.session)
    assert told == [signed_in.account.principal_id]


async def test_a_wrong_secret_is_told_like_an_unknown_session(place: City) -> None:
    credential = await enter(place)
    wrong = credential[:-1] + ("0" if credential[-1] != "0" else "1")
    told = set()
    for one in (wrong, credentials.new("mds", credentials.new_id()).text()):
        with pytest.raises(Unauthorized) as refused:
            place.identities.principal_of(one, ADDRESS)
        told.add(str(refused.value))
    assert told == {"this session is over or unknown here; sign in again"}
    assert place.identities.session_of(wrong) is None


async def test_the_owner_sees_where_sessions_are(place: City) -> None:
    await place.identities.sign_in("jin", PASSWORD, "192.0.2.9", "Fire\x00fox " + "x" * 500)
    account = place.identities.accounts.named("jin")
    (session,) = place.identities.sessions.of(account.principal_id)
    shown = session.shown()
    assert shown["kind"] == "page"
    assert shown["by"] == "password"
    assert shown["address"] == "192.0.2.9"
    assert shown["agent"].startswith("Firefox xxx")
    assert len(shown["agent"]) == 200
    assert shown["expiresAt"] == "2027-01-15T09:00:00Z"


async def test_one_person_has_a_bounded_number_of_sessions(place: City) -> None:
    first = await enter(place)
    for _ in range(MOST_EACH):
        place.clock.step(1)
        last = await enter(place)
    assert not is_known(place, first)
    assert is_known(place, last)
    assert len(await place.records.all("session")) == MOST_EACH


async def test_an_ended_session_does_not_come_back_with_a_restart(tmp_path: Path) -> None:
    clock = Clock()
    async with city(tmp_path, clock) as place:
        await place.person("jin")
        credential = await enter(place)
        clock.step(60)
        assert is_known(place, credential)
        session = place.identities.session_of(credential)
        assert session is not None
        await asyncio.gather(place.identities.tidy(0), place.identities.sign_out(session))
    async with city(tmp_path, clock) as place:
        assert not is_known(place, credential)


async def test_who_is_switched_off_while_signing_in_is_not_let_in(place: City) -> None:
    account = place.identities.accounts.named("jin")
    signed_in, _ = await asyncio.gather(
        place.identities.sign_in("jin", PASSWORD, ADDRESS),
        place.identities.people.change(account, "service:local", disabled=True),
        return_exceptions=True,
    )
    if not isinstance(signed_in, BaseException):
        assert not is_known(place, signed_in.credential)
    assert place.identities.sessions.of(account.principal_id) == []


async def test_a_password_that_is_being_replaced_opens_nothing(place: City) -> None:
    account = place.identities.accounts.named("jin")
    signed_in, _ = await asyncio.gather(
        place.identities.sign_in("jin", PASSWORD, ADDRESS),
        place.identities.people.set_password(account, "service:local", "nine tall green lamps"),
        return_exceptions=True,
    )
    if not isinstance(signed_in, BaseException):
        assert not is_known(place, signed_in.credential)


async def test_a_session_that_ends_while_it_begins_leaves_nothing(place: City) -> None:
    account = place.identities.accounts.named("jin")
    opened, _ = await asyncio.gather(
        place.identities.open_session(account, "passkey", ADDRESS),
        place.identities.sessions.end_all(account.principal_id),
    )
    assert not is_known(place, opened.credential)
    assert await place.records.all("session") == {}


async def test_ending_all_but_one_leaves_that_one(place: City) -> None:
    kept, other = await enter(place), await enter(place)
    stranger = await enter(place, "kim")
    session = place.identities.session_of(kept)
    assert session is not None
    assert await place.identities.sessions.end_all(session.principal_id, but=session.id) == 1
    assert [is_known(place, one) for one in (kept, other, stranger)] == [True, False, True]
