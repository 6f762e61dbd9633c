"""Passkeys: made, used, and attacked, with an authenticator in software."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from madang.store.engine import SqliteEngine
from madang.trust.passkeys import MOST, PasskeyRefused, Passkeys, Place
from madang.trust.records import Records
from tests.trust.soft_authenticator import ATTESTED, PRESENT, VERIFIED, SoftAuthenticator

ORIGIN = "https://hub.example.org"


@pytest.fixture
async def passkeys(tmp_path: Path) -> AsyncIterator[Passkeys]:
    engine = SqliteEngine(tmp_path / "state", 10.0)
    place = Place.of(ORIGIN)
    assert place is not None
    yield Passkeys(Records(await engine.system()), place)
    await engine.close()


async def added(passkeys: Passkeys, account: str = "jin", **how: Any) -> SoftAuthenticator:
    """Add a passkey to an account."""
    device = SoftAuthenticator(**{"origin": ORIGIN, **how})
    options = await passkeys.options_to_make(account, account, "session")
    made = passkeys.made(options["ceremony"], "session", device.make(options))
    await passkeys.keep(account, made, "phone")
    return device


async def entered(passkeys: Passkeys, device: SoftAuthenticator) -> str:
    options = passkeys.options_to_enter()
    return await passkeys.enter(options["ceremony"], device.enter(options))


async def test_a_passkey_signs_its_owner_in_and_says_when_it_was_used(passkeys: Passkeys) -> None:
    device = await added(passkeys)
    assert [(one.label, one.used) for one in await passkeys.of("jin")] == [("phone", None)]
    assert await entered(passkeys, device) == "jin"
    assert (await passkeys.of("jin"))[0].used is not None
    assert await entered(passkeys, device) == "jin"


async def test_several_passkeys_of_an_account_all_work(passkeys: Passkeys) -> None:
    devices = [await added(passkeys) for _ in range(3)]
    other = await added(passkeys, "mina")
    for device in devices:
        assert await entered(passkeys, device) == "jin"
    assert await entered(passkeys, other) == "mina"
    assert len(await passkeys.of("jin")) == 3


async def test_an_account_yet_to_be_made_gets_its_passkey_afterwards(passkeys: Passkeys) -> None:
    device = SoftAuthenticator(ORIGIN)
    options = await passkeys.options_to_make("", "jin", "the link")
    made = passkeys.made(options["ceremony"], "the link", device.make(options))
    await passkeys.keep("a new account", made, "first")
    assert await entered(passkeys, device) == "a new account"


async def test_options_ask_for_a_discoverable_key_and_a_verified_person(passkeys: Passkeys) -> None:
    device = await added(passkeys)
    options = (await passkeys.options_to_make("jin", "jin", "session"))["publicKey"]
    assert options["authenticatorSelection"]["residentKey"] == "required"
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert options["attestation"] == "none"
    assert options["rp"]["id"] == "hub.example.org"
    assert len(options["excludeCredentials"]) == 1
    assert device.handle not in ("jin", "amlu")  # nothing personal (section 14.6.1)
    assert passkeys.options_to_enter()["publicKey"]["allowCredentials"] == []


async def test_an_answer_works_once(passkeys: Passkeys) -> None:
    device = await added(passkeys)
    options = passkeys.options_to_enter()
    answer = device.enter(options)
    await passkeys.enter(options["ceremony"], answer)
    with pytest.raises(PasskeyRefused) as refused:
        await passkeys.enter(options["ceremony"], answer)
    assert refused.value.reason == "late"


async def test_an_answer_to_another_challenge_is_refused(passkeys: Passkeys) -> None:
    device = await added(passkeys)
    old, new = passkeys.options_to_enter(), passkeys.options_to_enter()
    with pytest.raises(PasskeyRefused) as refused:
        await passkeys.enter(new["ceremony"], device.enter(old))
    assert refused.value.reason == "refused"


async def test_a_passkey_is_made_only_for_who_began(passkeys: Passkeys) -> None:
    options = await passkeys.options_to_make("jin", "jin", "jin's session")
    answer = SoftAuthenticator(ORIGIN).make(options)
    with pytest.raises(PasskeyRefused) as refused:
        passkeys.made(options["ceremony"], "another session", answer)
    assert refused.value.reason == "late"


@pytest.mark.parametrize(
    "attack",
    [
        {"origin": "https://hub.example.org.evil.example"},
        {"origin": "http://hub.example.org"},
        {"rp_id": "evil.example"},
        {"flags": PRESENT},
        {"flags": VERIFIED},
        {"count": 0},
        {"key": ec.generate_private_key(ec.SECP256R1())},
    ],
    ids=["origin", "scheme", "place", "unverified", "absent", "counter", "key"],
)
async def test_a_sign_in_that_does_not_hold_is_refused(
    passkeys: Passkeys, attack: dict[str, Any]
) -> None:
    device = await added(passkeys, count=5)
    for name, value in attack.items():
        setattr(device, name, value)
    with pytest.raises(PasskeyRefused) as refused:
        await entered(passkeys, device)
    assert refused.value.reason == "refused"


async def test_a_copied_authenticator_is_noticed_by_its_counter(passkeys: Passkeys) -> None:
    device = await added(passkeys, count=1)
    await entered(passkeys, device)
    copy = SoftAuthenticator(ORIGIN, id=device.id, key=device.key, handle=device.handle)
    copy.rp_id, copy.count = device.rp_id, device.count - 1
    with pytest.raises(PasskeyRefused):
        await entered(passkeys, copy)


@pytest.mark.parametrize(
    "attack",
    [
        {"origin": "https://evil.example"},
        {"rp_id": "evil.example"},
        {"flags": PRESENT | ATTESTED},
    ],
    ids=["origin", "place", "unverified"],
)
async def test_a_new_passkey_that_does_not_hold_is_refused(
    passkeys: Passkeys, attack: dict[str, Any]
) -> None:
    with pytest.raises(PasskeyRefused) as refused:
        await added(passkeys, **attack)
    assert refused.value.reason == "refused"
    assert await passkeys.of("jin") == []


async def test_another_accounts_handle_opens_nothing(passkeys: Passkeys) -> None:
    device, other = await added(passkeys), await added(passkeys, "mina")
    device.handle = other.handle
    with pytest.raises(PasskeyRefused) as refused:
        await entered(passkeys, device)
    assert refused.value.reason == "unknown"


async def test_a_removed_passkey_opens_nothing(passkeys: Passkeys) -> None:
    device = await added(passkeys)
    assert not await passkeys.remove("mina", (await passkeys.of("jin"))[0].id)
    assert await passkeys.remove("jin", (await passkeys.of("jin"))[0].id)
    with pytest.raises(PasskeyRefused) as refused:
        await entered(passkeys, device)
    assert refused.value.reason == "unknown"
    again = await added(passkeys)
    assert await entered(passkeys, again) == "jin"


async def test_all_passkeys_of_an_account_can_be_forgotten(passkeys: Passkeys) -> None:
    device = await added(passkeys)
    await passkeys.forget("jin")
    assert await passkeys.of("jin") == []
    with pytest.raises(PasskeyRefused):
        await entered(passkeys, device)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"id": "x"},
        {"id": "x", "response": 7},
        {"id": 7, "response": {"userHandle": "x"}},
        {"id": "x", "response": {"userHandle": "!!!"}},
        {"id": "x", "response": {"userHandle": "gICA"}},
    ],
    ids=str,
)
async def test_rubbish_is_refused(passkeys: Passkeys, answer: dict[str, Any]) -> None:
    options = passkeys.options_to_enter()
    with pytest.raises(PasskeyRefused):
        await passkeys.enter(options["ceremony"], answer)
    begun = await passkeys.options_to_make("jin", "jin", "session")
    with pytest.raises(PasskeyRefused):
        passkeys.made(begun["ceremony"], "session", answer)


async def test_a_damaged_answer_is_refused(passkeys: Passkeys) -> None:
    device = await added(passkeys)
    for member in ("clientDataJSON", "authenticatorData", "signature"):
        options = passkeys.options_to_enter()
        answer = device.enter(options)
        answer["response"][member] = answer["response"][member][:-6] + "AAAAAA"
        with pytest.raises(PasskeyRefused):
            await passkeys.enter(options["ceremony"], answer)


async def test_an_account_has_a_bounded_number_of_passkeys(passkeys: Passkeys) -> None:
    for _ in range(MOST):
        await added(passkeys)
    with pytest.raises(PasskeyRefused) as refused:
        await added(passkeys)
    assert refused.value.reason == "many"


async def test_two_first_passkeys_at_once_do_not_lose_one_another(passkeys: Passkeys) -> None:
    done = await asyncio.gather(added(passkeys), added(passkeys), return_exceptions=True)
    devices = [one for one in done if isinstance(one, SoftAuthenticator)]
    assert len(devices) == len(await passkeys.of("jin")) >= 1
    for device in devices:
        assert await entered(passkeys, device) == "jin"


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://hub.example.org/city", ("hub.example.org", "https://hub.example.org")),
        ("https://hub.example.org:8443", ("hub.example.org", "https://hub.example.org:8443")),
        ("http://127.0.0.1:8080", ("localhost", "http://localhost:8080")),
        ("http://[::1]:8080", ("localhost", "http://localhost:8080")),
        ("http://localhost:8080", ("localhost", "http://localhost:8080")),
        ("http://hub.example.org", None),
        ("https://192.0.2.1", None),
        ("http://0.0.0.0:8080", None),
    ],
)
def test_passkeys_belong_to_a_name_behind_encryption_or_to_this_machine(
    url: str, place: tuple[str, str] | None
) -> None:
    found = Place.of(url)
    assert (found and (found.rp_id, found.origin)) == place
