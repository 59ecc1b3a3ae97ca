"""Declarations say which sections they have, and drift comes back from a receipt as it was told."""

from processor.domain.declarations import (
    ColumnDeclaration,
    ColumnsDeclaration,
    CsvDeclaration,
    Declaration,
    Drift,
    JsonDeclaration,
    XmlDeclaration,
    drift_fact,
    drift_of,
    drift_of_code,
)


def test_only_keys_that_say_something_are_named() -> None:
    assert Declaration("f", "").keys == frozenset()
    said = Declaration(
        "f",
        "",
        csv=CsvDeclaration(skip_lines=1),
        json=JsonDeclaration("a"),
        xml=XmlDeclaration("r"),
        columns=ColumnsDeclaration((ColumnDeclaration("a", "DATE"),)),
    )
    assert said.keys == {"csv.skip_lines", "json.records", "xml.row", "columns"}


def test_drift_is_told_by_kind_and_column() -> None:
    facts = (("encoding", "utf-8"), drift_fact(Drift.MISSING, ["a", "b, c"]), drift_fact(Drift.EXTRA, ["d"]))
    assert list(drift_of(facts)) == [(Drift.MISSING, "a"), (Drift.MISSING, "b, c"), (Drift.EXTRA, "d")]
    assert drift_of_code("feed.missing-column") is Drift.MISSING
    assert drift_of_code("feed.surprise") is Drift.SURPRISE
    assert drift_of_code("csv.quotes") is None
