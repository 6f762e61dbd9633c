"""Encodings told by their bytes, and what separates cells."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.sense.files.encoding import guess_encoding
from madang.sense.files.separator import SEPARATORS, guess_separator

SENTENCES = {
    "cp949": [
        "측정소,미세먼지,초미세먼지\n종로구,31,12\n",
        "주차장명,총주차면수\n시청 공영주차장,120\n",
        "온도(℃)\n",
    ],
    "cp1252": ["Straße;Größe;Höhe\nMüllerstraße;12;3\n", "Débit à la crue;été\n", "Año;Señal\n"],
    "cp1250": ["ulica;łączność;żółć\nŁódź;ścieżka;źródło\n"],
    "cp1251": ["улица;город\nНевский проспект;Санкт-Петербург\n"],
    "shift_jis": ["測定局,二酸化窒素\n新宿区,ひらがなとカタカナ\n"],
}


@pytest.mark.parametrize(
    ("encoding", "text"), [(name, text) for name, texts in SENTENCES.items() for text in texts]
)
def test_old_encodings_are_told_apart(encoding: str, text: str) -> None:
    content = text.encode(encoding)
    assert content.decode(guess_encoding(content)) == text


KOREAN = st.text(st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3), min_size=2, max_size=12)
COMMON = st.sampled_from(
    "가나다라마바사아자차카타파하구동시도로길측정소온습미세먼지주차장면수서울부산대전강남"
)


@given(st.lists(st.lists(COMMON, min_size=1, max_size=8).map("".join), min_size=2, max_size=20))
def test_korean_words_with_figures_are_never_taken_for_latin(words: list[str]) -> None:
    text = "번호,이름\n" + "".join(f"{n},{word}\n" for n, word in enumerate(words))
    assert guess_encoding(text.encode("cp949")) == "cp949"
    assert guess_encoding(text.encode("euc-kr")) == "cp949"


@given(st.lists(KOREAN, min_size=1, max_size=20), st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
def test_what_unicode_says_of_itself_is_believed(words: list[str], encoding: str) -> None:
    content = "\n".join(words).encode(encoding)
    assert content.decode(guess_encoding(content)) == "\n".join(words)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_told_by_its_zeros(encoding: str) -> None:
    text = "시리얼,위도,경도\n" + "V02,37.5,127.0\n" * 20
    assert guess_encoding(text.encode(encoding)) == encoding


@given(st.binary(max_size=400))
def test_any_bytes_get_an_encoding_that_exists(content: bytes) -> None:
    content.decode(guess_encoding(content), "replace")


CELLS = st.text(st.sampled_from("abcäö가나 0123456789.-"), min_size=1, max_size=8)


@given(st.integers(2, 6), st.integers(2, 10), st.sampled_from(SEPARATORS), st.data())
def test_the_separator_is_the_mark_on_which_lines_agree(
    width: int, height: int, mark: str, data: st.DataObject
) -> None:
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=mark, lineterminator="\n")
    for _ in range(height):
        writer.writerow(data.draw(st.lists(CELLS, min_size=width, max_size=width)))
    assert guess_separator(stream.getvalue()) == mark


def test_commas_in_numbers_and_titles_above_do_not_mislead() -> None:
    text = "Auswertung, Stand 2026, vorläufig\n\nOrt;Wert\nA;1,5\nB;2,25\nC;3,5\n"
    assert guess_separator(text) == ";"
