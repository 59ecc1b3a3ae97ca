"""Small documents of each format, and independent readers that say how many rows a text has, if it has any."""

import csv
import io
import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass

from processor.domain.conversion import DataFormat


@dataclass(frozen=True, slots=True)
class Sample:
    """A document, its rows, what must not stand behind it, and `rows_in`: the possible numbers of rows of a text.

    `rows_in` is empty for a text that must be refused. One that must be accepted has no other choice.
    """

    name: str
    format: DataFormat
    data: bytes
    rows: int
    garbage: tuple[bytes, ...]
    rows_in: Callable[[bytes], set[int]]


def _rows_of_csv(data: bytes) -> set[int]:
    """Return the rows with a header and without: of so short a text either may be right."""
    return _rows_of_delimited(data, ",")


def _rows_of_tsv(data: bytes) -> set[int]:
    return _rows_of_delimited(data, "\t")


def _rows_of_delimited(data: bytes, delimiter: str) -> set[int]:
    try:
        text = io.StringIO(data.decode(), newline="")
        records = list(csv.reader(text, delimiter=delimiter, strict=True))
    except (UnicodeDecodeError, csv.Error):
        return set()
    regular = len({len(record) for record in records}) == 1
    return {len(records), len(records) - 1} if regular else set()


def _rows_of_documents(data: bytes) -> set[int]:
    """Return the documents one after another; the elements of an array, if that is all there is."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return set()
    documents, at = [], 0
    decoder = json.JSONDecoder()
    while text[at:].strip():
        at += len(text[at:]) - len(text[at:].lstrip())
        try:
            document, at = decoder.raw_decode(text, at)
        except json.JSONDecodeError:
            return set()
        documents.append(document)
    if len(documents) == 1 and isinstance(documents[0], list):
        return {len(documents[0])}
    return {len(documents)} if documents else set()


def _rows_of_lines(data: bytes) -> set[int]:
    """Return the documents; an empty text has none, which is a number of lines."""
    return _rows_of_documents(data) if data.strip() else {0}


def _rows_of_xml(data: bytes) -> set[int]:
    try:
        return {len(ET.fromstring(data))}
    except ET.ParseError:
        return set()


_JSON_GARBAGE = (b"x", b"]", b"}", b"{", b",", b'{"a":', b"\0", b"\xff")
_XML_GARBAGE = (b"<b/>", b"text", b"&amp;", b"<", b"</list>", b"\0", b"\xff", b"<?xml version='1.0'?>")
_TEXT_GARBAGE = (b'"7', b"7\n8\n")

SAMPLES = [
    Sample(
        "csv",
        DataFormat.CSV,
        'id,name,day,price\n1,"a, b",2024-01-01,1.50\n2,"say ""so""",2024-01-02,2.25\n3,"zü\nrich",,3.75\n'.encode(),
        3,
        _TEXT_GARBAGE,
        _rows_of_csv,
    ),
    Sample("tsv", DataFormat.TSV, b"id\tname\tn\n1\tx\t5\n2\t\t6\n3\tz\t7\n", 3, _TEXT_GARBAGE, _rows_of_tsv),
    Sample(
        "json-array",
        DataFormat.JSON,
        '[{"id":1,"name":"zü","tags":["x",null]},\n {"id":2.5,"sub":{"a":true}},\n {"id":-3e2}]\n'.encode(),
        3,
        _JSON_GARBAGE,
        _rows_of_documents,
    ),
    Sample(
        "json-one", DataFormat.JSON, b'{"id":1,"sub":{"a":[1,2]},"t":"x\\ny"} \n', 1, _JSON_GARBAGE, _rows_of_documents
    ),
    Sample(
        "json-documents",
        DataFormat.JSON,
        b'{"id":1}\n{"id":2,"b":"x"}\n\n{"id":3}',
        3,
        _JSON_GARBAGE,
        _rows_of_documents,
    ),
    Sample(
        "json-lines",
        DataFormat.JSONL,
        b'{"id":1,"a":"x"}\n{"id":2,"a":null}\n{"id":3,"b":[true]}\n',
        3,
        _JSON_GARBAGE,
        _rows_of_lines,
    ),
    Sample(
        "xml",
        DataFormat.XML,
        '<?xml version="1.0"?>\n<list><item id="1"><name>zü &amp; co</name></item>'
        '<item id="2"><name/><n>5</n></item><item id="3"/></list>\n'.encode(),
        3,
        _XML_GARBAGE,
        _rows_of_xml,
    ),
]
