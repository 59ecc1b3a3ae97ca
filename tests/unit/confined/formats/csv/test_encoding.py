# ruff: noqa: RUF001 - Russian texts
"""The encoding of a text is known or declared, else the text is refused."""

import codecs
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.confined.formats.csv.encoding import CHUNK_BYTES, Encoding, decide_encoding, utf8_chunks
from processor.domain.errors import DeliveryError
from processor.streams.source import BytesSource
from tests.unit.confined.formats.csv.csv_tables import convert

RUSSIAN = "город,число\n" + "Москва,1\nСанкт-Петербург,2\nНижний Новгород,3\n" * 9


def decided(data: bytes, fallback: str = "") -> Encoding:
    return decide_encoding(BytesSource("t.csv", data), fallback)


def refusal(data: bytes, fallback: str = "") -> str:
    with pytest.raises(DeliveryError) as refused:
        decided(data, fallback)
    assert refused.value.failure.code == "csv.encoding"
    return str(refused.value)


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"],
)
def test_unicode_is_found(encoding: str) -> None:
    found = convert("name,n\nZoë,1\nÅsa,2\n".encode(encoding))
    assert found.rows == [("Zoë", "1"), ("Åsa", "2")]
    assert found.names == ["name", "n"]


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "cp1251", "shift_jis", "gbk", "koi8-r"])
def test_no_other_encoding_is_guessed(encoding: str) -> None:
    text = {"latin-1": "name,n\nZoë,1\n", "cp1252": "name,n\n“Zoë”,1\n"}.get(encoding, "город,n\nМосква,1\n")
    assert "line " in refusal(text.encode(encoding))
    found = convert(text.encode(encoding), fallback=encoding)
    assert [*found.names, *found.rows[0]] == text.replace("\n", ",").strip(",").split(",")
    assert found.facts["encoding"] == f"{codecs.lookup(encoding).name}: declared by FALLBACK_ENCODING"


def test_the_refusal_names_the_line_what_the_text_may_be_and_the_remedy() -> None:
    told = refusal(b"id,n\n" * 3 + RUSSIAN.encode("cp1251"))
    assert "line 4 (byte 15)" in told
    assert "it may be cp1251" in told
    assert "FALLBACK_ENCODING=cp1251" in told


def test_a_few_letters_suggest_nothing() -> None:
    assert "may be" not in refusal("a\ncafé\n".encode("latin-1"))


@pytest.mark.parametrize("at", [0, 1, 10_000, 20_000])
def test_one_bad_byte_late_is_refused_like_one_early(at: int) -> None:
    lines = ["1,größer\n".encode()] * 20_000
    lines.insert(at, b"2,gr\xf6\xdfer\n")
    for fallback in ("", "cp1252"):  # read as Windows-1252 all other lines would be wrong
        assert f"but for line {at + 2} " in refusal(b"id,name\n" + b"".join(lines), fallback)


def test_a_text_cut_inside_its_last_character_is_told_as_that() -> None:
    whole = "id,name\n1,größer\n2,ü".encode()
    for fallback in ("", "cp1252"):
        assert "line 3 (byte 21), where the text ends inside a character" in refusal(whole[:-1], fallback)
    assert "ends inside a character" in refusal("id,name\n1,größer\n".encode("utf-16")[:-1])
    assert "ends inside a character" in refusal("id,name\n1,größer\n".encode("utf-32-le")[:-1])


def test_what_a_declared_encoding_does_not_have_is_refused() -> None:
    assert "cp1252 (declared by FALLBACK_ENCODING) but for line 2" in refusal(b"a,b\n\x81\xe9,1\n", "cp1252")


def test_a_mark_that_lies_is_told() -> None:
    assert "utf-16-le (byte-order mark) but for line 2" in refusal(b"\xff\xfea\x00\n\x00\x00\xd8a\x00")


def test_unicode_is_unicode_whatever_is_declared() -> None:
    assert decided("a,b\n1,größer\n".encode(), "cp1252").is_utf8


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), st.integers(0, 9))
def test_a_character_at_the_edge_of_a_piece_is_no_error(text: str, shift: int) -> None:
    data = b"x" * (CHUNK_BYTES - shift) + text.encode()
    source = BytesSource("t.csv", data)
    assert b"".join(utf8_chunks(source, decided(data))) == data


def test_the_place_of_an_error_behind_the_edge_of_a_piece_is_its_own() -> None:
    for before, after in pairwise(range(CHUNK_BYTES - 4, CHUNK_BYTES + 2)):
        data = b"\n" * before + "ü".encode() * 9 + b"\xff"
        assert f"line {before + 1} (byte {before + 18})" in refusal(data), after
