"""A name proposes a type, the content confirms it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.domain.detection import HEAD_BYTES, detect
from processor.domain.files import FileType

HTML = b"<!DOCTYPE html>\n<html lang=en>\n<body>403 Forbidden</body>\n</html>\n"
S3_ERROR = b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code><Message>x</Message></Error>'
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
PGP = b"-----BEGIN PGP MESSAGE-----\n\nhQEMA\n-----END PGP MESSAGE-----\n"
FOREIGN = {
    "HTML": HTML,
    "HTML page": b"\n\n<html>\n<body>403 Forbidden</body>\n</html>\n",
    "HTML after": b"<!-- saved -->\n<HTML><head>",
    "an error of S3": S3_ERROR,
    "a Git LFS": LFS,
    "a PGP": PGP,
    "AppleDouble": b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        ",
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize("name", [b"a.csv", b"a.tsv", b"a.json", b"a.jsonl", b"a.xml"])
def test_what_is_no_table_goes_as_it_is_with_the_reason(name: bytes, content: bytes) -> None:
    for text in (content, b"\xef\xbb\xbf" + content) if content[0] else (content,):
        kind = detect(name, text)
        assert kind.type is FileType.REGULAR
        assert kind.mismatch.startswith(f"named .{name.decode()[2:]} but the content is ")


def test_a_page_in_utf_16_is_told_too() -> None:
    assert "HTML" in detect(b"a.csv", HTML.decode().encode("utf-16")).mismatch


@pytest.mark.parametrize(
    "text",
    [
        '{"a": [1, 2, {"b": "x, \\"y\\""}], "c": null}\n',
        '[\n  {"id": 1},\n  {"id": 2}\n]',
        '{"a":1}\n{"a":2}\n',
        "[]",
        "{}",
        '["a", "b"]\n',
        "[[1.5, -2e7], [true, false]]",
        json.dumps([{"id": n, "text": 'with "quotes" and {brackets}'} for n in range(400)], indent=1),
        json.dumps({"text": "x" * 9000}),
    ],
)
def test_a_json_document_is_no_csv(text: str) -> None:
    for name in (b"a.csv", b"a.tsv", b"a.xml"):
        assert detect(name, text.encode()[:HEAD_BYTES]).mismatch.endswith("content is JSON")
    assert not detect(b"a.json", text.encode()[:HEAD_BYTES]).mismatch


@pytest.mark.parametrize(
    "text",
    [
        "[id],[name]\n1,x\n",
        '{"a":1}\t5\n{"a":2}\t6\n',
        '{"a":1},5\n',
        "{0f8fad5b-d9cb-469f-a165-70867728950e},x\n",
        "[1] yes,2\n",
        "{x},{y}\n",
        "[\n",
        "<5,>5\n1,2\n",
        "<b>,<html>\n1,2\n",
        "version,https\n",
        '"<html>",1\n',
    ],
)
def test_tables_that_look_a_little_alike_stay_tables(text: str) -> None:
    assert not detect(b"a.csv", text.encode()).mismatch


def test_xml_stays_xml() -> None:
    xhtml = (
        b'<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "x">\n<html xmlns="http://www.w3.org/1999/xhtml">'
    )
    for text in (xhtml, b"<?xml version='1.0'?>\n<rows/>", b"<Error><Code>5</Code></Error>", b"<html xmlns='x'/>"):
        assert not detect(b"a.xml", text).mismatch
    assert detect(b"a.csv", b"<?xml version='1.0'?>\n<rows/>").mismatch.endswith("content is XML")


LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(VALUES, st.sampled_from([None, 1]))
def test_any_json_document_is_told(value: object, indent: int | None) -> None:
    if isinstance(value, list | dict):
        text = json.dumps(value, indent=indent, ensure_ascii=False).encode(errors="surrogatepass")
        assert detect(b"a.csv", text[:HEAD_BYTES]).type is FileType.REGULAR


@given(st.binary(max_size=200))
def test_no_content_is_an_error(head: bytes) -> None:
    for name in (b"a.csv", b"a.json", b"a.xml", b"a.zip", b"a.tar.gz"):
        detect(name, head)


@pytest.mark.parametrize("name", [b"a.z01", b"A.Z02", b"a.b.z10"])
def test_parts_of_a_split_zip_are_told_as_such(name: bytes) -> None:
    kind = detect(name, b"PK\x07\x08PK\x03\x04")
    assert kind.type is FileType.REGULAR
    assert "part of a split zip" in kind.mismatch


@pytest.mark.parametrize("name", [b"a.z1", b"a.z011", b"az01", b".z01", b"a.z01.txt"])
def test_other_names_are_no_parts_of_a_split_zip(name: bytes) -> None:
    assert not detect(name, b"PK\x07\x08PK\x03\x04").mismatch
