"""Accounts: names, passwords, signing in, links, and what must not be told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import pytest
from argon2 import Parameters, PasswordHasher, extract_parameters
from hypothesis import given
from hypothesis import strategies as st

from madang.model.errors import (
    AlreadyExists,
    BadRequestData,
    Conflict,
    Overloaded,
    ResourceNotFound,
    TooManyRequests,
    Unauthorized,
)
from madang.trust import passwords
from madang.trust.accounts import login_name
from madang.trust.passwords import Passwords
from tests.trust.people import ADDRESS, CHEAP, PASSWORD, City, Clock, city

ADMIN = "service:local"


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[City]:
    async with city(tmp_path) as found:
        yield found


def code_of(link: str | None) -> str:
    assert link is not None
    return link.partition("?code=")[2]


# --- names ------------------------------------------------------------------------------------


@given(st.text(max_size=40))
def test_a_name_stays_as_it_is_once_normalised(text: str) -> None:
    try:
        name = login_name(text)
    except BadRequestData:
        return
    assert login_name(name) == name


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Jin.Park@Seoul.KR", "jin.park@seoul.kr"),
        ("ｊｉｎ", "jin"),
        ("José", "Jose\u0301"),
        ("STRASSE", "straße"),
        (" jin ", "jin"),
        ("박진", "박진"),
    ],
)
def test_a_name_is_the_same_however_it_is_typed(one: str, other: str) -> None:
    assert login_name(one) == login_name(other)


@pytest.mark.parametrize(
    "text",
    ["", "  ", "two words", "tab\tname", "zero\u200bwidth", "right\u202eleft", "a:b", "a/b",
     "x" * 129, "ﷺ" * 128, "line\nbreak", "null\x00", "\ud800"],
)  # fmt: skip
def test_what_can_be_no_name_is_refused(text: str) -> None:
    with pytest.raises(BadRequestData, match="name"):
        login_name(text)


# --- passwords --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "password",
    ["123456789012", "aaaaaaaaaaaa", "abcabcabcabc", "Password2026!", "qwertyuiop[]",
     "!!Welcome2026", "correcthorsebatterystaple", "1q2w3e4r5t6y", "jin.park12345", "JIN.PARK.2026",
     "adminadmin12"],
)  # fmt: skip
def test_a_password_that_attackers_try_first_is_refused(password: str) -> None:
    with pytest.raises(BadRequestData, match="first that attackers try") as refused:
        passwords.check(password, "jin.park@seoul.kr", "admin")
    assert password not in str(refused.value)


@pytest.mark.parametrize(
    "password", [PASSWORD, "한강에서 자전거 타기 좋다", "x9!kQ2#mZ7$w", "ab" * 3 + "q7r!zw"]
)
def test_a_good_password_needs_no_signs_or_digits(password: str) -> None:
    passwords.check(password, "jin")


def test_the_length_of_a_password_has_bounds() -> None:
    with pytest.raises(BadRequestData, match="at least 12"):
        passwords.check("short", "jin")
    with pytest.raises(BadRequestData, match="256 are allowed"):
        passwords.check("long" * 100, "jin")


async def test_a_password_fits_on_whichever_keyboard_it_is_typed() -> None:
    hashes = Passwords(CHEAP)
    kept = await hashes.hash("caf\u00e9 au lait, ｄｅｕｘ")
    assert await hashes.verify("cafe\u0301 au lait, deux", kept)
    hashes.close()


async def test_too_many_sign_ins_at_once_are_told_to_come_back() -> None:
    hashes = Passwords(CHEAP)
    done = await asyncio.gather(*(hashes.hash(PASSWORD) for _ in range(40)), return_exceptions=True)
    assert sum(isinstance(one, Overloaded) for one in done) == 8
    hashes.close()


def test_passwords_are_hashed_as_rfc_9106_recommends() -> None:
    strong = PasswordHasher()
    assert (strong.memory_cost, strong.time_cost, strong.type.name) == (65536, 3, "ID")


# --- signing in -------------------------------------------------------------------------------


async def test_a_person_signs_in_and_is_known_by_their_session(place: City) -> None:
    account = await place.person("Jin@Seoul.KR")
    signed_in = await place.identities.sign_in("JIN@seoul.kr", PASSWORD, ADDRESS)
    principal = place.identities.principal_of(signed_in.credential, ADDRESS)
    assert principal.id == account.principal_id
    assert principal.roles == {"operator"}
    assert principal.entities == {f"urn:ngsi-ld:Person:{account.id}"}


async def test_a_wrong_password_an_unknown_name_and_an_account_off_are_told_alike(
    place: City,
) -> None:
    await place.person("jin")
    gone = await place.person("kim")
    await place.identities.people.change(gone, ADMIN, disabled=True)
    told = set()
    for name, password in (("jin", "wrong"), ("nobody", PASSWORD), ("kim", PASSWORD), ("a b", "x")):
        with pytest.raises(Unauthorized) as refused:
            await place.identities.sign_in(name, password, ADDRESS)
        told.add(str(refused.value))
    assert told == {"the name or the password is wrong"}


class Counting(PasswordHasher):
    """Notes with which parameters it was made to work."""

    def __init__(self) -> None:
        super().__init__(time_cost=2, memory_cost=64, parallelism=1)
        self.worked: list[Parameters] = []

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
        self.worked.append(extract_parameters(str(hash)))
        return super().verify(hash, password)


async def test_an_unknown_name_takes_as_much_work_as_a_wrong_password() -> None:
    hasher = Counting()
    hashes = Passwords(hasher)
    for kept in (await hashes.hash(PASSWORD), None):
        assert not await hashes.verify("wrong password", kept)
    known, unknown = hasher.worked
    assert known == unknown
    hashes.close()


async def test_guessing_is_slowed_down_and_the_owner_gets_in_again(place: City) -> None:
    await place.person("jin")
    for _ in range(5):
        with pytest.raises(Unauthorized):
            await place.identities.sign_in("jin", "wrong password", ADDRESS)
    with pytest.raises(TooManyRequests, match="try again in"):
        await place.identities.sign_in("jin", PASSWORD, ADDRESS)
    place.clock.step(60)
    await place.identities.sign_in("jin", PASSWORD, ADDRESS)


async def test_unknown_names_are_slowed_down_alike(place: City) -> None:
    for _ in range(5):
        with pytest.raises(Unauthorized):
            await place.identities.sign_in("nobody", "wrong password", ADDRESS)
    with pytest.raises(TooManyRequests):
        await place.identities.sign_in("NOBODY", "wrong password", ADDRESS)


async def test_a_dated_hash_is_renewed_at_sign_in(tmp_path: Path) -> None:
    async with city(tmp_path) as place:
        account = await place.person("jin")
        old = PasswordHasher(time_cost=2, memory_cost=16, parallelism=1).hash(PASSWORD)
        await place.identities.accounts.change(account, password=old)
        await place.identities.sign_in("jin", PASSWORD, ADDRESS)
        kept = place.identities.accounts.named("jin").password
        assert kept != old
        assert not place.identities.passwords.is_dated(kept)


async def test_a_new_password_ends_the_other_sessions(place: City) -> None:
    account = await place.person("jin")
    here = await place.identities.sign_in("jin", PASSWORD, ADDRESS)
    there = await place.identities.sign_in("jin", PASSWORD, ADDRESS)
    change = place.identities.people.change_password
    with pytest.raises(Unauthorized):
        await change(account, "wrong", "nine tall green lamps", ADDRESS, here.session.id)
    with pytest.raises(BadRequestData):
        await change(account, PASSWORD, "short", ADDRESS, here.session.id)
    await change(account, PASSWORD, "nine tall green lamps", ADDRESS, here.session.id)
    place.identities.principal_of(here.credential, ADDRESS)
    with pytest.raises(Unauthorized, match="sign in again"):
        place.identities.principal_of(there.credential, ADDRESS)
    with pytest.raises(Unauthorized):
        await place.identities.sign_in("jin", PASSWORD, ADDRESS)
    await place.identities.sign_in("jin", "nine tall green lamps", ADDRESS)


# --- accounts ---------------------------------------------------------------------------------


async def test_two_accounts_cannot_have_one_name(place: City) -> None:
    both = await asyncio.gather(place.person("jin"), place.person("JIN"), return_exceptions=True)
    assert sum(isinstance(one, AlreadyExists) for one in both) == 1


async def test_a_name_can_be_had_again_but_not_the_id(place: City) -> None:
    first = await place.person("jin")
    await place.identities.people.remove(first, ADMIN)
    with pytest.raises(ResourceNotFound, match="madang user list"):
        place.identities.accounts.named("jin")
    assert (await place.person("jin")).id != first.id


async def test_new_roles_hold_at_once_and_ask_for_a_new_sign_in(place: City) -> None:
    account = await place.person("jin")
    signed_in = await place.identities.sign_in("jin", PASSWORD, ADDRESS)
    told: list[str] = []
    place.identities.on_change.append(told.append)
    place.identities.principal_of(signed_in.credential, ADDRESS)
    await place.identities.people.change(account, ADMIN, roles=["analyst"])
    assert account.principal_id in told
    with pytest.raises(Unauthorized):
        place.identities.principal_of(signed_in.credential, ADDRESS)


@pytest.mark.parametrize("change", [{"roles": ["operator"]}, {"disabled": True}, {"tenants": [""]}])
async def test_the_last_administrator_stays_one(place: City, change: dict[str, object]) -> None:
    boss = await place.person("boss", "administrator")
    with pytest.raises(Conflict, match="last administrator"):
        await place.identities.people.change(boss, ADMIN, **change)


async def test_the_last_administrator_is_not_removed(place: City) -> None:
    boss = await place.person("boss", "administrator")
    with pytest.raises(Conflict, match="last administrator"):
        await place.identities.people.remove(boss, ADMIN)


async def test_two_administrators_cannot_both_leave_at_once(place: City) -> None:
    one, two = (
        await place.person("one", "administrator"),
        await place.person("two", "administrator"),
    )
    both = await asyncio.gather(
        place.identities.people.remove(one, ADMIN),
        place.identities.people.remove(two, ADMIN),
        return_exceptions=True,
    )
    assert sum(isinstance(done, Conflict) for done in both) == 1


@pytest.mark.parametrize(
    "members",
    [{"roles": ["emperor"]}, {"roles": []}, {"roles": "operator"}, {"roles": ["device"]},
     {"roles": [1]}, {"scopes": ["Seoul"]}, {"scopes": ["/"]}, {"tenants": ["x" * 2000]},
     {"tenants": [str(i) for i in range(200)]}, {"name": "x" * 200}, {"name": "two\nlines"},
     {"language": 5}],
)  # fmt: skip
async def test_what_an_account_cannot_have_is_refused(
    place: City, members: dict[str, object]
) -> None:
    with pytest.raises(BadRequestData):
        await place.identities.people.add(
            "jin", ADMIN, PASSWORD, **({"roles": ["operator"]} | members)
        )
    account = await place.person("kim")
    with pytest.raises(BadRequestData):
        await place.identities.people.change(account, ADMIN, **members)


async def test_somebody_is_found_by_name_id_role_and_key(place: City) -> None:
    account = await place.person("jin")
    find = place.identities.find
    assert find("JIN") == find(account.principal_id) == account.principal()
    role = find("role:operator")
    assert role is not None
    assert role.roles == {"operator"}
    assert find("public") == find("role:public")
    await place.identities.people.change(account, ADMIN, disabled=True)
    assert find("jin") is find(account.principal_id) is None
    assert find("nobody") is find("role:emperor") is find("person:1") is find("a b") is None


async def test_accounts_outlive_a_restart(tmp_path: Path) -> None:
    async with city(tmp_path) as place:
        account = await place.identities.people.add(
            "jin", ADMIN, PASSWORD, roles=["department"], scopes=["/Seoul/Water"], tenants=["a", ""]
        )
    async with city(tmp_path) as place:
        assert place.identities.accounts.named("jin") == account
        await place.identities.sign_in("jin", PASSWORD, ADDRESS)


# --- links ------------------------------------------------------------------------------------


async def test_the_first_link_makes_the_first_administrator_once(place: City) -> None:
    link = place.identities.first_administrator_link()
    redeem = place.identities.redeem
    boss = await redeem(code_of(link), "boss", PASSWORD, ADDRESS)
    assert boss.roles == {"administrator"}
    assert boss.tenants == {"*"}
    assert place.identities.first_administrator_link() is None
    with pytest.raises(Unauthorized, match="ask for a new one"):
        await redeem(code_of(link), "other", PASSWORD, ADDRESS)


async def test_an_administrator_of_one_tenant_is_not_the_first(place: City) -> None:
    await place.identities.people.add("kim", ADMIN, PASSWORD, roles=["administrator"])
    assert place.identities.first_administrator_link() is not None


async def test_a_newer_first_link_replaces_the_older(place: City) -> None:
    older = place.identities.first_administrator_link()
    newer = place.identities.first_administrator_link()
    with pytest.raises(Unauthorized):
        await place.identities.redeem(code_of(older), "boss", PASSWORD, ADDRESS)
    await place.identities.redeem(code_of(newer), "boss", PASSWORD, ADDRESS)


async def test_the_first_link_is_used_once_even_by_two_at_once(place: City) -> None:
    code = code_of(place.identities.first_administrator_link())
    both = await asyncio.gather(
        place.identities.redeem(code, "one", PASSWORD, ADDRESS),
        place.identities.redeem(code, "two", PASSWORD, ADDRESS),
        return_exceptions=True,
    )
    assert sum(isinstance(done, Unauthorized) for done in both) == 1
    assert len(place.identities.accounts) == 1


async def test_a_mistake_does_not_use_a_link_up(place: City) -> None:
    code = code_of(place.identities.first_administrator_link())
    with pytest.raises(BadRequestData):
        await place.identities.redeem(code, "boss", "short", ADDRESS)
    await place.identities.redeem(code, "boss", PASSWORD, ADDRESS)


async def test_an_invitation_gives_its_roles_and_its_name(tmp_path: Path) -> None:
    clock = Clock()
    async with city(tmp_path, clock) as place:
        _, address = await place.identities.people.invite(
            "Kim", ADMIN, ["analyst"], [""], ["/Seoul"]
        )
        assert address.startswith("https://city.example/welcome?code=mdl_")
    async with city(tmp_path, clock) as place:  # it outlives a restart
        account = await place.identities.redeem(code_of(address), "mallory", PASSWORD, ADDRESS)
        assert account.login == "kim"
        assert account.roles == {"analyst"}
        assert account.scopes == {"/Seoul"}
    async with city(tmp_path, clock) as place:
        with pytest.raises(Unauthorized):
            await place.identities.redeem(code_of(address), "kim2", PASSWORD, ADDRESS)


async def test_an_invitation_ends_after_a_week(place: City) -> None:
    _, address = await place.identities.people.invite("kim", ADMIN, ["analyst"])
    place.clock.step(7 * 86_400 + 1)
    with pytest.raises(Unauthorized, match="expired"):
        await place.identities.redeem(code_of(address), "kim", PASSWORD, ADDRESS)


async def test_an_invitation_can_be_withdrawn(place: City) -> None:
    link, address = await place.identities.people.invite("kim", ADMIN, ["analyst"])
    await place.identities.people.withdraw(link.id, ADMIN)
    with pytest.raises(Unauthorized):
        await place.identities.redeem(code_of(address), "kim", PASSWORD, ADDRESS)


async def test_a_link_sets_a_new_password_and_ends_sessions(place: City) -> None:
    account = await place.person("jin")
    signed_in = await place.identities.sign_in("jin", PASSWORD, ADDRESS)
    _, older = await place.identities.people.password_link(account, ADMIN)
    _, newer = await place.identities.people.password_link(account, ADMIN)
    with pytest.raises(Unauthorized):
        await place.identities.redeem(code_of(older), "", "nine tall green lamps", ADDRESS)
    await place.identities.redeem(code_of(newer), "", "nine tall green lamps", ADDRESS)
    with pytest.raises(Unauthorized):
        place.identities.principal_of(signed_in.credential, ADDRESS)
    await place.identities.sign_in("jin", "nine tall green lamps", ADDRESS)


@pytest.mark.parametrize("code", ["", "x", "mdl_", "mdl_" + "0" * 16 + "_" + "0" * 64, "ä" * 9000])
async def test_a_made_up_code_is_refused(place: City, code: str) -> None:
    place.identities.first_administrator_link()
    with pytest.raises(Unauthorized, match="ask for a new one"):
        await place.identities.redeem(code, "boss", PASSWORD, ADDRESS)


# --- what is kept and told --------------------------------------------------------------------


async def test_no_secret_is_kept_in_clear_or_in_the_audit_log(tmp_path: Path) -> None:
    async with city(tmp_path) as place:
        account = await place.person("jin")
        signed_in = await place.identities.sign_in("jin", PASSWORD, ADDRESS)
        tokens = place.identities.pair(
            (await place.identities.sign_in("jin", PASSWORD, ADDRESS, is_page=False)).session
        )
        _, key = await place.identities.keys.create("app", "app", by=ADMIN)
        _, link = await place.identities.people.password_link(account, ADMIN)
        with pytest.raises(Unauthorized):
            await place.identities.sign_in("pasted the password here", "wrong", ADDRESS)
        (signer,) = place.identities.tokens._signers.values()
        private = str(signer.key.as_dict(private=True)["d"])
        everything = place.everything_kept()
    secret = [key, signed_in.credential, tokens.refresh, code_of(link)]
    for text in (PASSWORD, private, "pasted", *(one.rsplit("_", 1)[1] for one in secret)):
        assert text not in everything
    assert account.password in everything  # the search does find what is there


async def test_every_change_is_noted_with_who_did_it(place: City) -> None:
    boss = await place.person("boss", "administrator")
    jin = await place.identities.people.add("jin", boss.principal_id, PASSWORD, roles=["operator"])
    await place.identities.people.change(jin, boss.principal_id, roles=["analyst"])
    await place.identities.people.invite("kim", boss.principal_id, ["operator"])
    with pytest.raises(Unauthorized):
        await place.identities.sign_in("jin", "wrong", ADDRESS)
    signed_in = await place.identities.sign_in("jin", PASSWORD, ADDRESS)
    await place.identities.sign_out(signed_in.session)
    await place.identities.people.remove(jin, boss.principal_id)
    assert [(e.kind, e.action, e.outcome) for e in place.kept.events[1:]] == [
        ("account", "accountCreated", "done"),
        ("account", "accountChanged", "done"),
        ("account", "invited", "done"),
        ("signIn", "password", "denied"),
        ("signIn", "password", "done"),
        ("signOut", "signOut", "done"),
        ("account", "accountRemoved", "done"),
    ]
    assert {e.actor for e in place.kept.events[1:4]} == {boss.principal_id}
    assert place.kept.events[2].detail == {"roles": ["analyst"]}
