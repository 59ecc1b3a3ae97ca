"""Every key of a file of feeds does something: with it a file is read so, and without it otherwise."""

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from processor.commands.convert import convert_file
from processor.commands.local_worker import LocalWorker
from processor.config.environment import ConfigurationError
from processor.config.settings import Settings
from processor.delivery.object_stream import object_request
from processor.domain.errors import DeliveryError
from processor.feeds.load import parse_feeds
from processor.feeds.schema import published
from processor.streams.frames import Begin, Content
from tests.operate.sources import ROOT

CSV = '[[feed]]\nname = "f"\nmatch = ["in.*"]\n[feed.csv]\n'
JSON = '[[feed]]\nname = "f"\nmatch = ["in.*"]\n[feed.json]\n'
XML = '[[feed]]\nname = "f"\nmatch = ["in.*"]\n[feed.xml]\n'
FEED = '[[feed]]\nname = "f"\nmatch = ["in.*"]\n'
COLUMNS = FEED + "[feed.columns]\n"

# Of each key: a declaration that has it on a line of its own, the file, and the rows.
CASES: dict[str, tuple[str, str, bytes, Any]] = {
    "feed.name": (FEED, "in.csv", b"a,b\n1,2\n", [{"a": 1, "b": 2}]),
    "feed.match": (FEED + "[feed.csv]\nheader = false\n", "in.csv", b"a,b\n1,2\n", [["a", "b"], ["1", "2"]]),
    "feed.format": (FEED + 'format = "jsonl"\n', "in.csv", b'{"a":1}\n{"a":2}\n', [[1], [2]]),
    "feed.empty_file": (FEED + 'empty_file = true\n[feed.columns]\na = "BIGINT"\n', "in.csv", b"", []),
    "csv.encoding": (CSV + 'encoding = "cp1251"\n', "in.csv", "имя,n\nя,1\n".encode("cp1251"), [{"имя": "я", "n": 1}]),
    "csv.delimiter": (CSV + 'delimiter = "||"\n', "in.csv", b"a||b\n1||2\n", [{"a": 1, "b": 2}]),
    "csv.quote": (CSV + 'quote = ""\n', "in.csv", b'a,b\n"x",2\n', [{"a": '"x"', "b": 2}]),
    "csv.escape": (CSV + "quote = '\"'\nescape = '\\'\n", "in.csv", rb"a,b" + b'\n"x\\"y",2\n', [{"a": 'x"y', "b": 2}]),
    "csv.header": (
        CSV + 'header = ["x", "y"]\n',
        "in.csv",
        b"a,b\n1,2\n",
        [{"x": "a", "y": "b"}, {"x": "1", "y": "2"}],
    ),
    "csv.skip_lines": (CSV + "skip_lines = 1\n", "in.csv", b"a title\na,b\n1,2\n", [{"a": 1, "b": 2}]),
    "csv.footer_lines": (CSV + "footer_lines = 1\n", "in.csv", b"a,b\n1,2\n1 row\n", [{"a": 1, "b": 2}]),
    "csv.comment": (CSV + 'comment = "%"\n', "in.csv", b"a,b\n% by hand\n1,2\n", [{"a": 1, "b": 2}]),
    "csv.row_names": (CSV + 'row_names = "r"\n', "in.csv", b"a,b\nx,1,2\ny,3,4\n", [["x", 1, 2], ["y", 3, 4]]),
    "csv.decimal": (
        CSV + 'decimal = ","\n[feed.columns]\na = "DOUBLE"\nb = "VARCHAR"\n',
        "in.csv",
        b"a;b\n2,5;x\n",
        [[2.5, "x"]],
    ),
    "csv.thousands": (
        CSV + 'thousands = "."\ndecimal = ","\n[feed.columns]\na = "BIGINT"\nb = "VARCHAR"\n',
        "in.csv",
        b"a;b\n1.250;x\n",
        [[1250, "x"]],
    ),
    "csv.null": (CSV + 'null = ["n/a"]\n', "in.csv", b"a,b\n1,n/a\n2,3\n", [[1, None], [2, 3]]),
    "csv.null_quoted": (CSV + "null_quoted = true\n", "in.csv", b'a,b\n1,""\n2,"x"\n', [[1, None], [2, "x"]]),
    "json.records": (JSON + 'records = "data"\n', "in.json", b'{"n":2,"data":[{"a":1},{"a":2}]}', [[1], [2]]),
    "xml.row": (
        XML + 'row = "r"\n',
        "in.xml",
        b"<x><h><t>1</t></h><h><t>2</t></h><r><a>7</a></r></x>",
        [[7, [{"t": 1}, {"t": 2}]]],
    ),
    "xml.lists": (
        XML + 'lists = ["l"]\n',
        "in.xml",
        b"<x><r><l>1</l><m>2</m></r><r><l>3</l><m>4</m></r></x>",
        [[2, [1]], [4, [3]]],
    ),
    "column.type": (COLUMNS + '[feed.columns.a]\ntype = "VARCHAR"\n', "in.csv", b"a\n7\n", [{"a": "7"}]),
    "column.format": (
        COLUMNS + '[feed.columns.a]\ntype = "DATE"\nformat = "%d.%m.%Y"\n',
        "in.csv",
        b"a\n31.12.2024\n",
        [[date(2024, 12, 31)]],
    ),
    "column.rename": (COLUMNS + '[feed.columns.a]\ntype = "BIGINT"\nrename = "z"\n', "in.csv", b"a\n7\n", [{"z": 7}]),
    "column.required": (
        COLUMNS + 'b = "BIGINT"\n[feed.columns.a]\ntype = "BIGINT"\nrequired = true\n',
        "in.csv",
        b"a,b\n,1\n",
        "feed.surprise",
    ),
    "column.true": (
        COLUMNS + '[feed.columns.a]\ntype = "BOOLEAN"\ntrue = ["J"]\nfalse = ["N"]\n',
        "in.csv",
        b"a\nJ\nN\n",
        [[True], [False]],
    ),
    "column.false": (
        COLUMNS + '[feed.columns.a]\ntype = "BOOLEAN"\ntrue = ["J"]\nfalse = ["N"]\n',
        "in.csv",
        b"a\nN\nJ\n",
        [[False], [True]],
    ),
    "columns.on_missing": (
        COLUMNS + 'a = "BIGINT"\nb = "BIGINT"\non_missing = "null"\n',
        "in.csv",
        b"a\n7\n",
        [[7, None]],
    ),
    "columns.on_extra": (COLUMNS + 'a = "BIGINT"\non_extra = "text"\n', "in.csv", b"a,b\n7,8\n", [[7, "8"]]),
    "columns.on_surprise": (COLUMNS + 'a = "BIGINT"\non_surprise = "reject-row"\n', "in.csv", b"a\n7\nx\n", [[7]]),
}

DELIVERY = FEED + "[feed.delivery]\n"
REQUESTS: dict[str, tuple[str, Any]] = {
    "delivery.key": ('key = "x/{stem}.parquet"\n', ("x/in.parquet", (), "")),
    "delivery.prefix": ('prefix = "p"\n', ("p/in.csv.parquet", (), "")),
    "delivery.tags": ('tags = { team = "a" }\n', ("in.csv.parquet", (("team", "a"),), "")),
    "delivery.storage_class": ('storage_class = "GLACIER"\n', ("in.csv.parquet", (), "GLACIER")),
}

# What takes a store or a catalog: the test that would fail without the key.
_DELIVERED = "tests/e2e/test_feeds.py test_a_feed_s_delivery_decides_on_keys_tags_raw_bytes_and_the_source"
ELSEWHERE = {
    "delivery.after_upload": _DELIVERED,
    "delivery.keep_raw": _DELIVERED,
    "table.name": "tests/e2e/test_tables.py test_files_members_and_changes_are_rows_of_their_table_once",
    "table.partition": "tests/unit/tables/test_commit.py test_columns_are_added_and_files_of_one_partition_taken",
}

_SECTIONS = {
    "FeedModel": "feed",
    "CsvSection": "csv",
    "JsonSection": "json",
    "XmlSection": "xml",
    "ColumnSection": "column",
    "ColumnsSection": "columns",
    "DeliverySection": "delivery",
    "TableSection": "table",
}


def test_every_key_of_the_schema_has_a_case() -> None:
    definitions = json.loads(published())["$defs"]
    sections = {name for name, of in definitions.items() if "properties" in of or "anyOf" in of}
    assert sections == set(_SECTIONS)
    keys = set()
    for name, short in _SECTIONS.items():
        of = definitions[name]
        table = of if "properties" in of else of["anyOf"][1]
        keys |= {f"{short}.{key}" for key in table["properties"] if key not in _SECTIONS.values()}
    assert keys == {*CASES, *REQUESTS, *ELSEWHERE}


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what each file is with its declaration, and without the key; all by one worker."""
    folder = tmp_path_factory.mktemp("keys")
    said = {key: declaration for key, (declaration, *_) in CASES.items()}
    said |= {key: DELIVERY + line for key, (line, _expected) in REQUESTS.items()}
    said |= {f"no-{key}": _without(key, declaration) for key, declaration in said.items()}
    known = {name: feed for name, text in said.items() if (feed := _in_its_folder(name, text))}
    (folder / "feeds.toml").write_text("".join(known.values()))
    settings = Settings(s3_bucket="unset", watch_path=folder, feeds=folder / "feeds.toml")
    found: dict[str, Any] = {}
    with LocalWorker(settings) as worker:
        for name in known:
            key = name.removeprefix("no-")
            _declaration, file, data, _ = CASES.get(key, ("", "in.csv", b"a,b\n1,2\n", None))
            source = folder / name / file
            source.parent.mkdir()
            source.write_bytes(data)
            worker.admit(str(folder))
            found[name] = _request(worker, source) if key in REQUESTS else _read(worker, settings, source)
    return found


@pytest.mark.parametrize("key", CASES)
def test_a_file_is_read_as_the_key_says_and_otherwise_without_it(key: str, answers: dict[str, Any]) -> None:
    expected = CASES[key][3]
    assert _like(answers[key], expected) == expected
    assert _like(answers.get(f"no-{key}", "a mistake"), expected) != expected


@pytest.mark.parametrize("key", REQUESTS)
def test_an_object_is_stored_as_the_key_says_and_otherwise_without_it(key: str, answers: dict[str, Any]) -> None:
    assert answers[key] == REQUESTS[key][1]
    assert answers[f"no-{key}"] != REQUESTS[key][1]


@pytest.mark.parametrize("key", ELSEWHERE)
def test_there_is_the_test_that_is_named(key: str) -> None:
    path, name = ELSEWHERE[key].split(" ")
    text = (ROOT / path).read_text()
    assert f"def {name}(" in text
    assert key.partition(".")[2] in text


def _without(key: str, declaration: str) -> str:
    line = re.compile(rf"^{key.partition('.')[2]} = .*\n", re.MULTILINE)
    assert len(line.findall(declaration)) == 1
    return line.sub("", declaration)


def _in_its_folder(name: str, declaration: str) -> str:
    """Return the declaration for files in a folder called `name`; nothing where it is a mistake."""
    text = declaration.replace('name = "f"', f'name = "{name}"', 1).replace('["in.*"]', f'["{name}/in.*"]')
    try:
        parse_feeds(text, "feeds.toml")
    except ConfigurationError:
        return ""
    return text


def _read(worker: LocalWorker, settings: Settings, source: Path) -> Any:
    """Return the rows, or why there are none."""
    target = source.with_name("out.parquet")
    try:
        convert_file(worker, settings, source, target)
    except DeliveryError as error:
        return error.failure.code
    return pq.read_table(target).to_pylist()


def _like(answer: Any, expected: Any) -> Any:
    """Return the rows without their names where the expected ones have none."""
    is_named = not expected or isinstance(expected, str) or isinstance(expected[0], dict)
    return answer if is_named or isinstance(answer, str) else [list(row.values()) for row in answer]


def _request(worker: LocalWorker, source: Path) -> Any:
    _root, file = worker.examine(source)
    request = object_request(file, Begin(-1, b"in.csv", Content.PARQUET))
    return request.key.replace(f"{source.parent.name}/", ""), request.tags, request.storage_class
