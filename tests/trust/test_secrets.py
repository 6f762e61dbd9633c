"""Secrets at rest, and the key that opens them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.store.engine import SqliteEngine
from madang.trust.records import Records
from madang.trust.secrets import FILE, VARIABLE, SecretKeyError, Secrets

KEY = "a key of at least thirty-two characters"
SECRETS = Secrets(KEY)


@given(st.binary(max_size=2000), st.text(max_size=50))
def test_what_was_sealed_comes_out_again(plain: bytes, about: str) -> None:
    assert SECRETS.unseal(SECRETS.seal(plain, about), about) == plain


def test_the_same_secret_is_never_sealed_the_same() -> None:
    assert SECRETS.seal(b"secret", "x") != SECRETS.seal(b"secret", "x")


def test_a_secret_does_not_open_in_another_place() -> None:
    with pytest.raises(SecretKeyError, match="mqtt"):
        SECRETS.unseal(SECRETS.seal(b"secret", "openid"), "mqtt")


def test_a_secret_does_not_open_with_another_key() -> None:
    with pytest.raises(SecretKeyError, match=FILE):
        Secrets(KEY + "!").unseal(SECRETS.seal(b"secret", "x"), "x")


@given(st.integers(3, 50), st.integers(0, 12))
def test_a_damaged_secret_does_not_open(place: int, number: int) -> None:
    """Neither draw may depend on the text, which is another one each time."""
    sealed = SECRETS.seal(b"8 bytes!", "x")  # so many that no bit of the text means nothing
    assert len(sealed) == 51
    letter = [one for one in "ABCDabcd0189-_" if one != sealed[place]][number]
    with pytest.raises(SecretKeyError):
        SECRETS.unseal(sealed[:place] + letter + sealed[place + 1 :], "x")


@pytest.mark.parametrize("text", ["", "v1.", "v1.!!!", "v1.YWJj", "ä", "x" * 10_000])
def test_what_is_no_sealed_text_is_told(text: str) -> None:
    with pytest.raises(SecretKeyError):
        SECRETS.unseal(text, "x")


def test_keys_of_different_purposes_differ() -> None:
    assert SECRETS.derive("refresh") != SECRETS.derive("seal")


async def opened(folder: Path, **environ: str) -> Secrets:
    engine = SqliteEngine(folder / "state")
    try:
        return await Secrets.open(Records(await engine.system()), folder, environ)
    finally:
        await engine.close()


async def test_the_first_start_makes_a_key_that_only_its_owner_can_read(tmp_path: Path) -> None:
    sealed = (await opened(tmp_path)).seal(b"secret", "x")
    if os.name == "posix":
        assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    assert (await opened(tmp_path)).unseal(sealed, "x") == b"secret"


@pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")
async def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    await opened(tmp_path)
    (tmp_path / FILE).chmod(0o640)
    with pytest.raises(SecretKeyError, match="chmod 600"):
        await opened(tmp_path)


async def test_a_missing_key_is_told_and_not_made_anew(tmp_path: Path) -> None:
    await opened(tmp_path)
    (tmp_path / FILE).unlink()
    with pytest.raises(SecretKeyError, match="is missing; put back"):
        await opened(tmp_path)
    assert not (tmp_path / FILE).exists()


async def test_another_key_is_told_at_the_start(tmp_path: Path) -> None:
    await opened(tmp_path, **{VARIABLE: KEY})
    assert not (tmp_path / FILE).exists()
    with pytest.raises(SecretKeyError, match=f"{VARIABLE} is not the key"):
        await opened(tmp_path, **{VARIABLE: KEY + "!"})
    with pytest.raises(SecretKeyError, match="is missing"):
        await opened(tmp_path)


@pytest.mark.parametrize("key", ["short", "x" * 31])
async def test_a_key_that_can_be_guessed_is_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(SecretKeyError, match="openssl rand"):
        await opened(tmp_path, **{VARIABLE: key})


async def test_the_key_may_stand_in_a_file_that_a_variable_names(tmp_path: Path) -> None:
    file = tmp_path / "given"
    file.write_text(KEY + "\n")
    sealed = (await opened(tmp_path, **{VARIABLE + "_FILE": str(file)})).seal(b"secret", "x")
    assert (await opened(tmp_path, **{VARIABLE: KEY})).unseal(sealed, "x") == b"secret"
    assert not (tmp_path / FILE).exists()


@pytest.mark.parametrize("content", [None, ""])
async def test_a_named_file_without_a_key_is_refused(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "given"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SecretKeyError, match=r"cannot be read|openssl rand"):
        await opened(tmp_path, **{VARIABLE + "_FILE": str(file)})


async def test_a_key_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(os.urandom(64))
    (tmp_path / FILE).chmod(0o600)
    with pytest.raises(SecretKeyError, match=r"cannot be read|random ones are needed"):
        await opened(tmp_path)
