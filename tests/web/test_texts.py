"""The catalogue: both languages say everything, and templates ask for nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

import madang.web
from madang.api.account import DONE
from madang.api.welcome import KINDS
from madang.model import errors
from madang.model.errors import NgsiError
from madang.services.services import installed
from madang.trust.events import Event
from madang.web.texts import LANGUAGES, Texts, preferred

TEXTS = {language: Texts(language) for language in LANGUAGES}
WEB = Path(madang.web.__file__).parent
LINKS = KINDS.values()
PLACE = re.compile(r"(?<!\{)\{(\w+)\}(?!\})")
HANGUL = re.compile(r"[가-힣]")


def test_both_languages_have_the_same_texts() -> None:
    assert set(TEXTS["ko"]) == set(TEXTS["en"])


def test_both_languages_take_the_same_values() -> None:
    def places(language: str) -> dict[str, set[str]]:
        text = TEXTS[language]
        return {key: set(PLACE.findall(text.template(key))) for key in text}

    assert places("ko") == places("en")


def test_korean_is_korean_and_english_is_not() -> None:
    same = {"site.api", "docs.title", "start.ngsi", "start.ngsi_hint"}
    korean, english = TEXTS["ko"], TEXTS["en"]
    assert {key for key in korean if not HANGUL.search(korean.template(key))} <= same
    assert not {key for key in english if HANGUL.search(english.template(key))}


def test_every_text_a_template_names_is_there() -> None:
    named = {
        found
        for template in WEB.joinpath("templates").glob("*.html")
        for found in re.findall(r"""\bt\(["']([a-z_]+\.[a-z0-9_]+)["'][,)]""", template.read_text())
    }
    assert len(named) > 80
    assert named <= set(TEXTS["en"])


def test_every_text_is_used() -> None:
    files = [
        *WEB.glob("templates/*.html"),
        *WEB.glob("*.py"),
        *WEB.glob("[!u]*/*.py"),
        *WEB.parent.glob("api/*.py"),
    ]
    source = "".join(file.read_text("utf-8") for file in files)
    # sections whose keys are put together
    made_up = {"roles", "problem", "openid", "passkey", "incident", "ages", "periods"}
    made_up |= {f"city_{part}" for part in ("missing", "of", "kind", "type", "about", "attribute")}
    made_up_keys = {f"account.{done}" for done in DONE}
    made_up_keys |= {f"welcome.{part}_{kind}" for part in ("title", "lead") for kind in LINKS}
    pages = [key for key in TEXTS["en"] if key not in TEXTS["en"].ui]
    unused = [key for key in pages if key.partition(".")[0] not in made_up]
    assert [key for key in unused if key not in source and key not in made_up_keys] == []


# --- the control room ---------------------------------------------------------------------------

UI = "".join(
    file.read_text("utf-8")
    for kind in ("*.svelte", "*.ts")
    for file in sorted(WEB.joinpath("ui/src").rglob(kind))
    if "generated" not in file.parts and not file.name.endswith(".test.ts")
)
ENGLISH = TEXTS["en"].ui


def test_every_text_the_control_room_names_is_there() -> None:
    named = set(re.findall(r"""\b(?:t|known)\(\s*['"]([a-z_]+\.[A-Za-z0-9_]+)['"]""", UI))
    named |= set(re.findall(r"""\btitle: '([a-z_]+\.[a-z0-9_]+)'""", UI))
    assert len(named) > 60
    assert sorted(named - set(ENGLISH)) == []


def test_every_text_of_the_control_room_is_used() -> None:
    begun = tuple(re.findall(r"`([a-z_]+\.[A-Za-z0-9_]*)\$\{", UI))  # t(`trouble.do_${status}`)
    sections = {f"{name}." for name in re.findall(r"""\bword\(\s*['"]([a-z_]+)['"]""", UI)}
    made_up = (*begun, *sections)
    unused = [key for key in ENGLISH if not key.startswith(made_up)]
    assert [key for key in unused if f"'{key}'" not in UI and f'"{key}"' not in UI] == []


def test_the_control_room_has_words_for_all_that_the_audit_log_records() -> None:
    """The code stays visible beside them; an action without words would be shown as its code."""
    recorded = set(literals(get_type_hints(Event)["action"]))
    deeds = {key.partition(".")[2] for key in ENGLISH if key.startswith("admin_deed.")}
    actions = {key.partition(".")[2] for key in ENGLISH if key.startswith("admin_action.")}
    ways = {key.partition(".")[2] for key in ENGLISH if key.startswith("admin_by.")}
    assert len(deeds) > 40
    assert recorded - (deeds | actions | ways) == set()
    assert deeds - recorded == set()


def literals(kind: object) -> Iterator[str]:
    """Return the words of literal types and of unions of them."""
    if get_origin(kind) is Literal:
        yield from get_args(kind)
    else:
        for part in get_args(kind):
            yield from literals(part)


def test_the_control_room_has_a_sentence_for_every_kind_of_problem() -> None:
    """By its status or its name, as ``parts/trouble.ts`` looks for it."""
    kinds = [kind for kind in NgsiError.__subclasses__() if kind.__module__ == errors.__name__]
    assert len(kinds) > 10
    for kind in kinds:
        assert {f"trouble.is_{kind.status}", f"trouble.is_{kind.name}"} & set(ENGLISH), kind


def test_a_word_for_one_or_several_goes_by_a_number_of_the_text() -> None:
    for key, text in ENGLISH.items():
        counted = set(re.findall(r"\{(\w+):[^|{}]*\|[^|{}]*\}", text))
        assert counted <= set(PLACE.findall(text)), key
    assert ENGLISH["feeds.count"] == "{count} {count:feed|feeds}"


def test_texts_of_the_control_room_are_plain() -> None:
    assert [key for text in TEXTS.values() for key in text.ui if "<" in text.ui[key]] == []


def test_options_of_services_are_told_in_korean() -> None:
    """Their English stands in the schema without the unit, by which the Korean is found."""
    table = WEB.joinpath("ui/src/services/options_ko.ts").read_text("utf-8")
    korean = {one.replace("\\'", "'") for one in re.findall(r"^  '(.+?)': '", table, re.MULTILINE)}
    told = {
        re.sub(r"\s*\[\S+\]$", "", field.description or "")
        for service in installed().values()
        for field in service.options.model_fields.values()
    }
    assert told ^ korean == set()


def test_values_are_escaped() -> None:
    assert "<b>" not in TEXTS["en"]("start.welcome", name="<b>")


@pytest.mark.parametrize(
    ("asked", "language"),
    [
        ("", "en"),
        ("ko", "ko"),
        ("ko-KR,ko;q=0.9,en-US;q=0.8", "ko"),
        ("en-GB,en;q=0.9,ko;q=0.8", "en"),
        ("en;q=0.3, ko;q=0.7", "ko"),
        ("fr, ko;q=0.1", "ko"),
        ("fr-FR", "en"),
        ("ko;q=0", "en"),
        ("ko;q=much", "en"),
    ],
)
def test_the_language_is_the_one_a_browser_likes_best(asked: str, language: str) -> None:
    assert preferred("", asked) == language


@given(st.text(max_size=80), st.text(max_size=80))
def test_whatever_is_asked_for_there_is_a_language(chosen: str, asked: str) -> None:
    assert preferred(chosen, asked) in LANGUAGES
