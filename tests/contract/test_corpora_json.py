"""Files that others wrote: what is JSON comes back equal by value, what is not is refused, and none crashes."""

import json
from pathlib import Path

import pytest

from processor.domain.conversion import DataFormat
from processor.domain.errors import DeliveryError
from tests.unit.confined.formats.json.json_values import converted, load, same_rows

_CORPORA = Path(__file__).resolve().parents[3] / "shared" / "corpora"

pytestmark = pytest.mark.skipif(not _CORPORA.is_dir(), reason="the corpora are not here")

_FORMATS = {".json": DataFormat.JSON, ".jsonl": DataFormat.JSONL, ".ndjson": DataFormat.JSONL}
# Valid, but an object of a table has a key twice: which one counts is nobody's to guess.
_KEY_TWICE = {"11152.json", "internal_3197.json", "duplicate_key.ndjson"}


def _files(*folders: str, pattern: str = "*") -> list[Path]:
    found = (path for folder in folders for path in (_CORPORA / folder).rglob(pattern))
    return sorted(path for path in found if path.suffix in _FORMATS)


def _documents(text: str) -> list[object]:
    """Return the JSON documents in `text`, one after the other; the elements of a lone array."""
    decoder_text, documents = text.lstrip("\ufeff"), []
    while decoder_text.strip():
        stripped = decoder_text.lstrip()
        end = _end(stripped)
        documents.append(load(stripped[:end]))
        decoder_text = stripped[end:]
    if len(documents) == 1 and isinstance(documents[0], list):
        return documents[0]
    return documents


def _end(text: str) -> int:
    return json.JSONDecoder().raw_decode(text)[1]


@pytest.mark.parametrize("path", _files("jsontestsuite", pattern="y_*"), ids=lambda path: path.stem)
def test_what_every_parser_must_accept_keeps_its_values(path: Path) -> None:
    found = converted(path.read_bytes())
    if "duplicated_key" in path.stem:
        assert found[1][0]["value"] == path.read_text().strip()
    else:
        assert same_rows(_documents(path.read_text()), found)


@pytest.mark.parametrize("path", _files("jsontestsuite", pattern="n_*"), ids=lambda path: path.stem)
def test_what_every_parser_must_refuse_is_refused(path: Path) -> None:
    with pytest.raises(DeliveryError):
        converted(path.read_bytes())


@pytest.mark.parametrize("path", _files("duckdb-json", "simdjson", "magika/json"), ids=lambda path: path.name)
def test_real_files_keep_their_values_or_are_refused_for_cause(path: Path) -> None:
    try:
        documents = _documents(path.read_text())
    except ValueError:
        documents = None
    if documents is None or path.name in _KEY_TWICE:
        with pytest.raises(DeliveryError):
            converted(path.read_bytes(), _FORMATS[path.suffix])
        return
    try:
        found = converted(path.read_bytes(), _FORMATS[path.suffix])
    except DeliveryError as error:
        # Not one JSON text, and not one that is known to be written on purpose either.
        assert "more than one value on a line" in str(error) or "no JSON value" in str(error)  # noqa: PT017
        return
    assert same_rows(documents, found)
