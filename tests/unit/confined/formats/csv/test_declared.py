"""A text is read as its feed declares it; what contradicts the declaration is refused by its line."""

from typing import Any

import pytest

from processor.confined.formats.csv.convert import convert_csv
from processor.domain.conversion import ConversionOptions, DataFormat, Receipt
from processor.domain.declarations import ColumnDeclaration, ColumnsDeclaration, CsvDeclaration, Declaration, OnSurprise
from processor.domain.errors import DeliveryError
from processor.streams.source import BytesSource
from tests.unit.confined.formats.csv.csv_tables import WithRejects


def convert(
    data: bytes | str, columns: ColumnsDeclaration | None = None, into: WithRejects | None = None, **said: Any
) -> tuple[Any, Receipt]:
    declaration = Declaration("feed", "0" * 64, CsvDeclaration(**said), columns=columns)
    output = into or WithRejects()
    text = data.encode() if isinstance(data, str) else data
    options = ConversionOptions(declaration=declaration)
    receipt = convert_csv(BytesSource("t", text), DataFormat.CSV, options, output, ())
    return output.table(), receipt


def rows(data: bytes | str, **said: Any) -> list[list[Any]]:
    return [list(row.values()) for row in convert(data, **said)[0].to_pylist()]


def refusal(data: bytes | str, **said: Any) -> str:
    with pytest.raises(DeliveryError) as refused:
        convert(data, **said)
    return f"{refused.value.failure.code}: {refused.value}"


def test_an_encoding_is_read_as_declared() -> None:
    text = "名前,値\n東京,1\n大阪,2\n"
    for encoding in ("gbk", "shift_jis", "utf-16", "utf-8"):
        assert convert(text.encode(encoding), encoding=encoding)[0].to_pylist()[1] == {"名前": "大阪", "値": 2}
    assert "csv.encoding" in refusal(b"a,b\n1,\xff\n", encoding="utf-8")
    assert "line 3" in refusal(b"a,b\n1,x\n2,\x81\n", encoding="cp1252")


def test_a_mark_of_another_encoding_contradicts_the_declaration() -> None:
    told = refusal("\ufeffa,b\n1,2\n".encode(), encoding="cp1252")
    assert told.startswith("csv.encoding: t begins with the mark of utf-8, cp1252 is declared")


@pytest.mark.parametrize("delimiter", [";", "\t", "|", "::", "-|-", " ", "^"])
def test_a_delimiter_is_read_as_declared(delimiter: str) -> None:
    text = "\n".join(delimiter.join(row) for row in (["a", "b,c"], ["1", "2,5"], ["3", "4,5"])) + "\n"
    found, _ = convert(text, delimiter=delimiter)
    assert found.column_names == ["a", "b,c"]
    assert found.to_pylist() == [{"a": 1, "b,c": "2,5"}, {"a": 3, "b,c": "4,5"}]


def test_a_row_without_the_declared_delimiter_is_refused_by_its_line() -> None:
    assert "line 3" in refusal("a;b\n1;2\n3,4\n", delimiter=";")


def test_quotes_are_text_where_none_is_declared() -> None:
    text = 'id\ttitle\n1\t"Swing 0" magistern\n2\t"Quoted"\n3\t5" pipe\n'
    assert rows(text, delimiter="\t", quote="") == [[1, '"Swing 0" magistern'], [2, '"Quoted"'], [3, '5" pipe']]


def test_another_quote_and_escape_are_read_as_declared() -> None:
    assert rows("a,b\n1,'x, y'\n2,'it''s'\n", quote="'") == [[1, "x, y"], [2, "it's"]]
    assert rows('a,b\n1,"x \\" y"\n2,"z"\n', escape="\\") == [[1, 'x " y'], [2, "z"]]


def test_the_header_is_as_declared() -> None:
    text = "1,2\n3,4\n5,6\n"
    assert convert(text, header=True)[0].to_pylist() == [{"1": 3, "2": 4}, {"1": 5, "2": 6}]
    assert rows(text, header=False) == [[1, 2], [3, 4], [5, 6]]
    assert convert(text, header=("x", "y"))[0].to_pylist()[0] == {"x": 1, "y": 2}
    assert refusal(text, header=("x", "y", "z")).startswith("feed.header: line 1 has 2 fields, 3 names are declared")


def test_declared_lines_are_no_rows_and_are_kept_as_notes() -> None:
    text = 'Bank "export\nfrom 2024\n\na;b\n1;x\n# a comment\n2;"y\n# no comment"\n;\nTotal: 3\nend\n'
    output = WithRejects()
    found, receipt = convert(text, into=output, delimiter=";", skip_lines=3, footer_lines=2, comment="#")
    assert found.to_pylist() == [{"a": 1, "b": "x"}, {"a": 2, "b": "y\n# no comment"}, {"a": None, "b": None}]
    assert [(note["line"], note["taken_for"], note["text"]) for note in output.noted if note["text"]] == [
        (1, "skip_lines", 'Bank "export'),
        (2, "skip_lines", "from 2024"),
        (6, "comment", "# a comment"),
        (10, "footer_lines", "Total: 3"),
        (11, "footer_lines", "end"),
    ]
    assert receipt.notes == 6
    assert "notes" not in dict(receipt.facts)


def test_comments_in_a_table_of_one_column_are_no_rows() -> None:
    text, output = "# made by x\nn\n1\n# two\n# three\n\n2\n#\nx\n# end\n", WithRejects()
    assert convert(text.replace("x\n# end", "3"), comment="#")[0].to_pylist() == [
        {"n": 1}, {"n": None}, {"n": 2}, {"n": 3}
    ]  # fmt: skip
    columns = ColumnsDeclaration((ColumnDeclaration("n", "BIGINT"),), on_surprise=OnSurprise.REJECT_ROW)
    found, receipt = convert(text, columns, output, comment="#")
    assert (found.num_rows, receipt.rejected_rows, receipt.notes) == (3, 1, 5)
    assert [(each["line"], each["text"]) for each in output.rejected] == [(9, "x")]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["", "utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_a_large_text_is_read_as_a_small_one_is(newline: str, encoding: str) -> None:
    lines = ["Bank's report", "", "a;b", *(f"{at};é {at}" for at in range(20_000)), "Total: 3"]
    text = newline.join(["# on top", *lines, "end"]).encode(encoding or "utf-8")
    output = WithRejects()
    said: dict[str, Any] = {"delimiter": ";", "skip_lines": 3, "footer_lines": 2, "encoding": encoding}
    found, receipt = convert(text, into=output, **said)
    assert found.num_rows == receipt.rows == 20_000
    assert found.to_pylist()[19_999] == {"a": 19_999, "b": "é 19999"}
    assert [note["line"] for note in output.noted] == [1, 2, 3, 20_005, 20_006]
    assert "line 20005" in refusal(text, **(said | {"footer_lines": 1}))


def test_comments_are_found_wherever_a_large_text_is_cut() -> None:
    rows_ = [f'{at};"x\n# no comment {at}"' if at % 50 == 0 else f"{at};x" for at in range(20_000)]
    text = "\n".join(["# top", "a;b", *rows_[:9000], "# within", *rows_[9000:], "# end"])
    output = WithRejects()
    found, receipt = convert(text, into=output, delimiter=";", comment="#")
    assert (found.num_rows, receipt.notes) == (20_000, 3)
    assert [note["text"] for note in output.noted] == ["# top", "# within", "# end"]
    assert [note["line"] for note in output.noted] == [1, 9183, 20_404]


def test_lines_keep_their_numbers_below_those_that_are_skipped() -> None:
    assert "line 5" in refusal("t\nu\na,b\n1,2\n3\n", skip_lines=2)
    columns = ColumnsDeclaration((ColumnDeclaration("a", "BIGINT"), ColumnDeclaration("b", "BIGINT")))
    assert "line 5: column 'b' has 'x'" in refusal("t\nu\na,b\n1,2\n3,x\n", skip_lines=2, columns=columns)


def test_the_names_of_rows_have_the_declared_name() -> None:
    text = "mpg,cyl\nMazda,21.0,6\nDatsun,22.8,4\n"
    assert convert(text, row_names="car")[0].to_pylist() == [
        {"car": "Mazda", "mpg": 21.0, "cyl": 6},
        {"car": "Datsun", "mpg": 22.8, "cyl": 4},
    ]


def test_declared_texts_mean_null() -> None:
    text = 'a,b\n1,NA\n\\N,x\n"","NA"\n'
    assert rows(text, null=("NA", "\\N"), header=True) == [["1", None], [None, "x"], ["", "NA"]]
    assert rows(text, null=("NA", "\\N"), null_quoted=True, header=True) == [[1, None], [None, "x"], [None, None]]


def test_a_large_text_is_read_alike() -> None:
    lines = "".join(f"{n};{n / 4}\n" for n in range(60_000))
    found, receipt = convert(f"title\na;b\n{lines}end\n", delimiter=";", skip_lines=1, footer_lines=1)
    assert (receipt.rows, found.column("a").to_pylist()[-1]) == (60_000, 59_999)
    assert convert(f"a;b\n{lines}", delimiter=";", header=True)[1].rows == 60_000
