"""JSON and JSON Lines."""

import json

from processor.domain.conversion import DataFormat
from tests.contract.samples.base import Sample


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


def _large_array() -> bytes:
    return json.dumps([{"id": at, "name": f"n {at}", "sub": {"a": [at]}} for at in range(30_000)]).encode()


def _large_document() -> bytes:
    return json.dumps({"id": 1, "many": [f"text {at}" for at in range(20_000)]}).encode()


def _many_documents() -> bytes:
    return "\n".join(json.dumps({"id": at, "name": f"n {at}"}) for at in range(40_000)).encode()


_GARBAGE = (b"x", b"]", b"}", b"{", b",", b'{"a":', b"\0", b"\xff")

SAMPLES = [
    Sample(
        "json-array",
        DataFormat.JSON,
        '[{"id":1,"name":"zü","tags":["x",null]},\n {"id":2.5,"sub":{"a":true}},\n {"id":-3e2}]\n'.encode(),
        3,
        _GARBAGE,
        _rows_of_documents,
        _large_array,
    ),
    Sample(
        "json-one",
        DataFormat.JSON,
        b'{"id":1,"sub":{"a":[1,2]},"t":"x\\ny"} \n',
        1,
        _GARBAGE,
        _rows_of_documents,
        _large_document,
    ),
    Sample(
        "json-documents",
        DataFormat.JSON,
        b'{"id":1}\n{"id":2,"b":"x"}\n\n{"id":3}',
        3,
        _GARBAGE,
        _rows_of_documents,
        _many_documents,
        receipts_differ=True,
    ),
    Sample(
        "json-lines",
        DataFormat.JSONL,
        b'{"id":1,"a":"x"}\n{"id":2,"a":null}\n{"id":3,"b":[true]}\n',
        3,
        _GARBAGE,
        _rows_of_lines,
        _many_documents,
        receipts_differ=True,
    ),
]
