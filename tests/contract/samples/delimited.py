"""CSV and TSV."""

import csv
import io
from functools import partial

from processor.domain.conversion import DataFormat
from tests.contract.samples.base import Sample


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


def _large(separator: str) -> bytes:
    lines = [separator.join(["id", "name", "price"])]
    lines += [separator.join([str(at), f'"n ""{at}"""', f"{at / 4:.2f}"]) for at in range(60_000)]
    return "\n".join(lines).encode()


_GARBAGE = (b'"7', b"7\n8\n")

SAMPLES = [
    Sample(
        "csv",
        DataFormat.CSV,
        'id,name,day,price\n1,"a, b",2024-01-01,1.50\n2,"say ""so""",2024-01-02,2.25\n3,"zü\nrich",,3.75\n'.encode(),
        3,
        _GARBAGE,
        _rows_of_csv,
        partial(_large, ","),
    ),
    Sample(
        "tsv",
        DataFormat.TSV,
        b"id\tname\tn\n1\tx\t5\n2\t\t6\n3\tz\t7\n",
        3,
        _GARBAGE,
        _rows_of_tsv,
        partial(_large, "\t"),
    ),
]
