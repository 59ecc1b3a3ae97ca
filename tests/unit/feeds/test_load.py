"""The file of feeds: what is said becomes what is declared, and every mistake is told at once, with its line."""

from pathlib import Path

import pytest

from processor.config.environment import ConfigurationError
from processor.config.settings import Settings
from processor.domain.conversion import DataFormat
from processor.domain.declarations import (
    ColumnDeclaration,
    ColumnsDeclaration,
    CsvDeclaration,
    JsonDeclaration,
    OnExtra,
    OnMissing,
    OnSurprise,
    XmlDeclaration,
)
from processor.domain.feeds import AfterUpload, FeedDelivery, FeedTable
from processor.feeds.load import load_feeds, parse_feeds

WHOLE = r"""
[[feed]]
name = "orders"
match = ["orders/**/*.csv", "mail.zip/**/orders-*.csv"]
format = "csv"
empty_file = true

[feed.csv]
encoding = "cp1252"
delimiter = ";"
quote = ''
escape = '\'
header = ["a", "b"]
skip_lines = 6
footer_lines = 1
comment = "#"
row_names = "name"
decimal = ","
thousands = "."
null = ["", "NA", '\N']
null_quoted = true

[feed.columns]
a       = "BIGINT"
b       = { type = "decimal(18, 2)", required = true, rename = "amount" }
booked  = { type = "DATE", format = "%d.%m.%Y" }
paid    = { type = "BOOLEAN", true = ["Y"], false = ["N", "-"] }
on_missing  = "null"
on_extra    = "drop-to-rejects"
on_surprise = "reject-row"

[feed.delivery]
key = "orders/year={mtime:%Y}/{stem}.{version:.8}.parquet"
prefix = "in"
tags = { team = "sales" }
storage_class = "STANDARD_IA"
after_upload = "delete"
keep_raw = true

[feed.table]
name = "sales.orders"
partition = ["day(booked)"]

[[feed]]
name = "events"
match = ["events/"]
[feed.json]
records = "data.items"

[[feed]]
name = "lines"
match = ["*.xml"]
[feed.xml]
row = "order"
lists = ["line"]
"""


def mistakes(text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as raised:
        parse_feeds(text, "feeds.toml")
    return str(raised.value).splitlines()


def test_every_key_becomes_what_it_declares() -> None:
    orders, events, lines = parse_feeds(WHOLE, "feeds.toml").feeds
    assert (orders.name, orders.format) == ("orders", DataFormat.CSV)
    assert [pattern.text for pattern in orders.match] == ["orders/**/*.csv", "mail.zip/**/orders-*.csv"]
    said = orders.declaration
    assert said.feed == "orders"
    assert len(said.digest) == 64
    assert said.empty_file
    assert said.csv == CsvDeclaration(
        encoding="cp1252",
        delimiter=";",
        quote="",
        escape="\\",
        header=("a", "b"),
        skip_lines=6,
        footer_lines=1,
        comment="#",
        row_names="name",
        decimal=",",
        thousands=".",
        null=("", "NA", r"\N"),
        null_quoted=True,
    )
    assert said.columns == ColumnsDeclaration(
        (
            ColumnDeclaration("a", "BIGINT"),
            ColumnDeclaration("amount", "DECIMAL(18,2)", source="b", required=True),
            ColumnDeclaration("booked", "DATE", format="%d.%m.%Y"),
            ColumnDeclaration("paid", "BOOLEAN", true=("Y",), false=("N", "-")),
        ),
        OnMissing.NULL,
        OnExtra.DROP_TO_REJECTS,
        OnSurprise.REJECT_ROW,
    )
    assert orders.delivery == FeedDelivery(
        key="orders/year={mtime:%Y}/{stem}.{version:.8}.parquet",
        prefix="in/",
        tags=(("team", "sales"),),
        storage_class="STANDARD_IA",
        after_upload=AfterUpload.DELETE,
        keep_raw=True,
    )
    assert orders.table == FeedTable("sales.orders", ("day(booked)",))
    assert events.declaration.json == JsonDeclaration("data.items")
    assert events.declaration.csv == CsvDeclaration()
    assert lines.declaration.xml == XmlDeclaration("order", ("line",))


def test_every_mistake_is_told_at_once_with_its_line() -> None:
    text = """[[feed]]
name = "orders"
match = ["*.csv"]
format = "csv"
[feed.csv]
quot = "'"
skip_lines = "6"
[feed.columns]
id = "BIGNT"
amount = { type = "BIGINT", format = "%d" }
on_missing = "nll"
[feed.delivery]
key = "{stm}.parquet"

[[feed]]
match = ["a"]
"""
    told = mistakes(text)
    assert [line.split(": ", 1)[0] for line in told] == [f"feeds.toml:{line}" for line in (6, 7, 9, 10, 11, 13, 15)], (
        told
    )
    expected = [
        ("feed 'orders'", "csv.quot", "did you mean quote?"),
        ("csv.skip_lines", "'6'", "integer"),
        ("columns.id", "BIGNT", "BIGINT, DOUBLE"),
        ("columns.amount", "DATE, TIMESTAMP"),
        ("columns.on_missing", "'nll'", "'null' or 'refuse'"),
        ("delivery.key", "{stm}", "{stem}"),
        ("feed number 2", "name", "is missing"),
    ]
    for line, words in zip(told, expected, strict=True):
        assert all(word in line for word in words), (line, words)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ('name = "a b"\nmatch = ["x"]', "name: 'a b'"),
        ('name = "a"\nmatch = []', "match: []"),
        ('name = "a"\nmatch = ["!x"]', "at least one pattern without `!`"),
        ('name = "a"\nmatch = ["a["]', "is no pattern of gitignore"),
        ('name = "a"\nmatch = ["x"]\nformat = "xls"', "format: 'xls'"),
        ('name = "a"\nmatch = ["x"]\nempty_file = true', "empty_file needs [feed.columns]"),
        ('name = "a"\nmatch = ["x"]\nformat = "xml"\n[feed.csv]\nquote = ""', "[feed.csv] is of no use"),
        ('name = "a"\nmatch = ["x"]\n[feed.csv]\nencoding = "utf-9"', "is no encoding that Python knows"),
        ('name = "a"\nmatch = ["x"]\n[feed.csv]\ndelimiter = ""', "delimiter: ''"),
        ('name = "a"\nmatch = ["x"]\n[feed.csv]\ndelimiter = "\\n"', "must not hold a line end"),
        ('name = "a"\nmatch = ["x"]\n[feed.csv]\nquote = "ab"', "quote: 'ab'"),
        ('name = "a"\nmatch = ["x"]\n[feed.csv]\nheader = ["a", "a"]', "'a' stands there twice"),
        ('name = "a"\nmatch = ["x"]\n[feed.csv]\nheader = ["a", ""]', "every column needs a name"),
        ('name = "a"\nmatch = ["x"]\n[feed.csv]\nskip_lines = -1', "skip_lines: -1"),
        ('name = "a"\nmatch = ["x"]\n[feed.csv]\ndecimal = ","\nthousands = ","', "decimal and thousands are both ','"),
        ('name = "a"\nmatch = ["x"]\n[feed.csv]\nthousands = " "', "need [feed.columns]"),
        ('name = "a"\nmatch = ["x"]\n[feed.csv]\ndelimiter = ";"\nquote = ";"', "delimiter and quote are both"),
        ('name = "a"\nmatch = ["x"]\n[feed.json]\nrecords = "a..b"', "names and dots"),
        ('name = "a"\nmatch = ["x"]\n[feed.columns]\non_extra = "text"', "names no column"),
        ('name = "a"\nmatch = ["x"]\n[feed.columns]\na = "INT"', "say BIGINT"),
        ('name = "a"\nmatch = ["x"]\n[feed.columns]\na = "DECIMAL"', "needs its digits"),
        ('name = "a"\nmatch = ["x"]\n[feed.columns]\na = "DECIMAL(39,2)"', "1 to 38 digits"),
        ('name = "a"\nmatch = ["x"]\n[feed.columns]\na = { type = "DATE", format = "dd" }', "no format of strptime"),
        ('name = "a"\nmatch = ["x"]\n[feed.columns]\na = { type = "DATE", true = ["x"] }', "words of a BOOLEAN"),
        ('name = "a"\nmatch = ["x"]\n[feed.columns]\na = { type = "BOOLEAN", true = ["x"] }', "words for both"),
        (
            'name = "a"\nmatch = ["x"]\n[feed.columns]\na = { type = "BOOLEAN", true = ["x"], false = ["x"] }',
            "both true and false",
        ),
        (
            'name = "a"\nmatch = ["x"]\n[feed.columns]\na = "DATE"\nb = { type = "DATE", rename = "a" }',
            "two columns would be called 'a'",
        ),
        ('name = "a"\nmatch = ["x"]\nformat = "csv"\n[feed.columns]\na = "DATE[]"', "CSV has no DATE[]"),
        ('name = "a"\nmatch = ["x"]\n[feed.delivery]\nkey = "all.parquet"', "every file would have the same key"),
        ('name = "a"\nmatch = ["x"]\n[feed.delivery]\nkey = "_manifests/{path}"', "the program's own"),
        ('name = "a"\nmatch = ["x"]\n[feed.delivery]\nkey = "../{path}"', "no parts . or .."),
        ('name = "a"\nmatch = ["x"]\n[feed.delivery]\nkey = "{path!r}"', "is no field"),
        ('name = "a"\nmatch = ["x"]\n[feed.delivery]\nkey = "{path"', "braces enclose"),
        ('name = "a"\nmatch = ["x"]\n[feed.delivery]\nprefix = "{path}"', "belong in `key`"),
        ('name = "a"\nmatch = ["x"]\n[feed.delivery]\nafter_upload = "burn"', "after_upload: 'burn'"),
        ('name = "a"\nmatch = ["x"]\n[feed.table]\nname = "a-b"', "table.name: 'a-b'"),
        ('name = "a"\nmatch = ["x"]\n[[feed]]\nname = "a"\nmatch = ["y"]', "two feeds are called 'a'"),
        ('name = "a"\nmatch = ["x"]\n[feed.cvs]\nquote = ""', "did you mean csv?"),
        ("name = ", "this is no TOML"),
    ],
)
def test_a_mistake_says_what_would_be_right(wrong: str, told: str) -> None:
    (line,) = mistakes(f"[[feed]]\n{wrong}\n")
    assert told in line


def test_the_digest_is_of_what_decides_and_of_the_columns_order() -> None:
    def digest(more: str) -> str:
        return parse_feeds(f'[[feed]]\nname = "a"\n{more}', "x").feeds[0].declaration.digest

    plain = digest('match = ["x"]\n[feed.columns]\na = "DATE"\nb = "DATE"')
    assert plain == digest('match = ["y"]\n[feed.columns]\na = { type = "DATE" }\nb = "DATE"\non_extra = "refuse"')
    assert plain == digest(
        'match = ["x"]\n[feed.columns]\na = "DATE"\nb = "DATE"\n[feed.delivery]\nafter_upload = "delete"'
    )
    others = {
        digest('match = ["x"]\n[feed.columns]\nb = "DATE"\na = "DATE"'),
        digest('match = ["x"]\n[feed.columns]\na = "DATE"\nb = "DATE"\n[feed.delivery]\nkey = "{name}"'),
        digest('match = ["x"]\nformat = "csv"\n[feed.columns]\na = "DATE"\nb = "DATE"'),
        digest('match = ["x"]\n[feed.columns]\na = "DATE"'),
    }
    assert len(others | {plain}) == 5


def test_the_settings_stand_in_for_what_a_feed_does_not_say_of_keys(tmp_path: Path) -> None:
    path = tmp_path / "feeds.toml"
    path.write_text(
        '[[feed]]\nname = "a"\nmatch = ["a"]\n[[feed]]\nname = "b"\nmatch = ["b"]\n[feed.delivery]\nkey = "{name}"\n'
    )
    settings = Settings(s3_bucket="abc", watch_path=tmp_path, feeds=path, key_template="x/{path}")
    feeds = load_feeds(settings)
    assert [feed.delivery.key for feed in feeds.feeds] == ["x/{path}", "{name}"]
    assert feeds.delivery_of(b"c").key == "x/{path}"
    assert feeds.delivery_of(b"b").key == "{name}"


def test_moving_needs_a_place_to_move_to(tmp_path: Path) -> None:
    path = tmp_path / "feeds.toml"
    path.write_text('[[feed]]\nname = "a"\nmatch = ["a"]\n[feed.delivery]\nafter_upload = "move"\n')
    with pytest.raises(ConfigurationError, match="needs AFTER_UPLOAD_DIRECTORY"):
        load_feeds(Settings(s3_bucket="abc", watch_path=tmp_path, feeds=path))


def test_a_file_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"FEEDS=.*nothing\.toml: No such file"):
        load_feeds(Settings(s3_bucket="abc", watch_path=tmp_path, feeds=tmp_path / "nothing.toml"))
