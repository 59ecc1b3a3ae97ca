"""Types of many files are joined by the lattice, whatever the order, and the feed that comes of it can be read."""

import itertools
import re

import pytest

from processor.domain.conversion import DataFormat
from processor.feeds.infer import Inference, ReadColumn, ReadFile, updated
from processor.feeds.lattice import NOTHING, Joined, Witness, holds, join
from processor.feeds.load import parse_feeds


@pytest.mark.parametrize(
    ("types", "joined"),
    [
        (["BIGINT", "DOUBLE"], "DOUBLE"),
        (["BIGINT", "DECIMAL(5,2)"], "DECIMAL(21,2)"),
        (["DECIMAL(5,2)", "DECIMAL(6,4)"], "DECIMAL(7,4)"),
        (["DECIMAL(5,2)", "DOUBLE"], "DOUBLE"),
        (["DECIMAL(20,2)", "DOUBLE"], "VARCHAR"),
        (["DECIMAL(38,0)", "DECIMAL(10,9)"], "VARCHAR"),
        (["DATE", "TIMESTAMP"], "TIMESTAMP"),
        (["DATE", "TIMESTAMP", "TIMESTAMP_NS"], "TIMESTAMP_NS"),
        (["TIMESTAMP", "TIMESTAMPTZ"], "VARCHAR"),
        (["DATE", "TIMESTAMPTZ"], "VARCHAR"),
        (["DATE", "BIGINT"], "VARCHAR"),
        (["BOOLEAN", "BIGINT"], "VARCHAR"),
        (["BIGINT", "VARCHAR"], "VARCHAR"),
        ([NOTHING, "DATE"], "DATE"),
        ([NOTHING], "VARCHAR"),
    ],
)
def test_types_are_joined_by_the_lattice(types: list[str], joined: str) -> None:
    assert join(types) == joined
    for order in itertools.permutations(types):
        together = Joined()
        for number, type_ in enumerate(order):
            together.add(type_, Witness(str(number), ""))
        assert together.type == joined


def test_lists_and_objects_are_joined_within() -> None:
    joined = Joined()
    joined.add("STRUCT(a BIGINT, b VARCHAR[])", Witness("1", ""))
    joined.add('STRUCT("a" DOUBLE, c DATE)', Witness("2", ""))
    assert joined.type == 'STRUCT("a" DOUBLE, "b" VARCHAR[], "c" DATE)'
    lists = Joined()
    lists.add("BIGINT[]", Witness("1", ""))
    lists.add("DOUBLE[]", Witness("2", ""))
    assert lists.type == "DOUBLE[]"
    lists.add("BIGINT", Witness("3", ""))
    assert lists.type == "VARCHAR"


def test_a_declared_type_holds_what_is_below_it() -> None:
    assert holds("DOUBLE", "BIGINT")
    assert holds("VARCHAR", "DATE")
    assert holds("DATE", NOTHING)
    assert not holds("BIGINT", "DOUBLE")
    assert not holds("DATE", "TIMESTAMP")


def found(path: str, **columns: str) -> ReadFile:
    facts = (("dialect", "delimiter ';', quote '\"'"), ("header", "True"), ("encoding", "utf-8"))
    of = tuple(ReadColumn(name, type_, f"{type_}: why {path}") for name, type_ in columns.items())
    return ReadFile(path, DataFormat.CSV, of, facts)


FILES = [
    found("in/a.csv", id="BIGINT", amount="DOUBLE", day="DATE", zip="VARCHAR", note=NOTHING),
    found("in/b.csv", id="BIGINT", amount="BIGINT", day="TIMESTAMP", zip="BIGINT", note=NOTHING),
    found("in/sub/c.csv", id="BIGINT", amount=NOTHING, day=NOTHING, zip=NOTHING, late="BIGINT"),
    ReadFile("in/bad.csv", None, refusal="line 3: what is this?"),
]


def inferred(files: list[ReadFile]) -> Inference:
    inference = Inference()
    for each in files:
        inference.add(each)
    return inference


def test_a_feed_is_inferred_with_reasons_whatever_the_order() -> None:
    document = inferred(FILES).document("orders")
    for order in itertools.permutations(FILES):
        assert inferred(list(order)).document("orders") == document
    assert re.sub(" +#", " #", document) == (
        """# inferred from 3 files
# not read: in/bad.csv: line 3: what is this?
[[feed]]
name = "orders"
match = ["in/**/*.csv"]
format = "csv"

[feed.csv]
delimiter = ";"
header = true

[feed.columns]
id = "BIGINT" # BIGINT: why in/a.csv
amount = "DOUBLE" # BIGINT in 1, DOUBLE in 1; because of in/a.csv: DOUBLE: why in/a.csv
day = "TIMESTAMP" # DATE in 1, TIMESTAMP in 1; because of in/b.csv: TIMESTAMP: why in/b.csv
zip = "VARCHAR" # BIGINT in 1, VARCHAR in 1; because of in/a.csv: VARCHAR: why in/a.csv
note = "VARCHAR" # no file has a value: say what it is
late = "BIGINT" # BIGINT: why in/sub/c.csv, in 1 of 3 files
on_missing = "null" # not in every file: note, late
"""
    )


def test_what_is_inferred_is_a_file_of_feeds_whatever_names_there_are() -> None:
    odd = ReadFile(
        'x/"q".csv', DataFormat.CSV, (ReadColumn('a "b"\n=', "BIGINT", "why\nnot"), ReadColumn("ä\x7f", "DATE", ""))
    )
    (feed,) = parse_feeds(inferred([odd]).document("odd"), "x").feeds
    assert feed.declaration.columns is not None
    assert [column.name for column in feed.declaration.columns.columns] == ['a "b"\n=', "ä\x7f"]


def test_an_update_is_the_difference_that_new_files_make() -> None:
    (feed,) = parse_feeds(
        """[[feed]]
name = "orders"
match = ["in/"]
[feed.columns]
id = "BIGINT"
amount = "BIGINT"
day = { type = "DATE", format = "%d.%m.%Y" }
zip = "VARCHAR"
note = "DATE"
""",
        "x",
    ).feeds
    assert updated(feed, inferred([found("in/a.csv", id="BIGINT", amount="BIGINT", zip="BIGINT", note=NOTHING)])) == ""
    assert updated(feed, inferred(FILES)).splitlines() == [
        "--- feed orders",
        "+++ feed orders (updated)",
        "@@ -1,5 +1,6 @@",
        ' id = "BIGINT"',
        '-amount = "BIGINT"',
        '+amount = "DOUBLE"',
        ' day = "DATE"',
        ' zip = "VARCHAR"',
        ' note = "DATE"',
        '+late = "BIGINT"  # new in in/sub/c.csv',
    ]
