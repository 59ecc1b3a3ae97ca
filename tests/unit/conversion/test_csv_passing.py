"""What a text's beginning promises, and how it is noticed that the rest does not keep it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.steps.conversion.csv_direct import StructureCheck
from processor.steps.conversion.csv_encoding import Utf8Check, promised_encoding
from processor.steps.conversion.csv_rows import Dialect

PIECES = st.lists(
    st.one_of(
        st.binary(max_size=5), st.text(max_size=5).map(str.encode), st.sampled_from(("€".encode()[:1], b"\x82\xac"))
    ),
    max_size=8,
)


@given(PIECES)
def test_pieces_are_valid_where_the_whole_is(pieces: list[bytes]) -> None:
    check = Utf8Check()
    try:
        b"".join(pieces).decode()
        valid = True
    except UnicodeDecodeError:
        valid = False
    assert (all(map(check.add, pieces)) and check.add(b"", final=True)) == valid


@pytest.mark.parametrize("head", ["a,b\n".encode("utf-16"), "a,b\n".encode("utf-16-le"), b"a,gr\xf6\xdfe\n"])
def test_only_utf_8_is_promised(head: bytes) -> None:
    assert promised_encoding(head) is None


@pytest.mark.parametrize("head", [b"a,b\n", "a,größe\n".encode(), "a,größe\n".encode()[:5], b"\xef\xbb\xbfa\n"])
def test_a_beginning_in_utf_8_promises_it(head: bytes) -> None:
    found = promised_encoding(head)
    assert found is not None
    assert found.is_utf8


@given(
    st.lists(st.sampled_from((b"1,2\n", b'"1,2",3\n', b'"1\n2",3\n', b"1,2,3\n", b"\n")), min_size=1), st.integers(1, 7)
)
def test_a_structure_is_the_same_in_whatever_pieces_it_comes(rows: list[bytes], size: int) -> None:
    text = b"above\n1,2\n" + b"".join(rows)
    whole, pieces = (StructureCheck(Dialect(), 2, 1) for _ in range(2))
    at_once = whole.finish() if whole.add(text) else None
    first, rest = text[:10], text[10:]
    parts = [first, *(rest[at : at + size] for at in range(0, len(rest), size))]
    assert (pieces.finish() if all(map(pieces.add, parts)) else None) == at_once
    if all(row.count(b",") - row.count(b'"1,2"') == 1 for row in rows):
        assert at_once is not None
        assert at_once.rows == len(rows) + 1
