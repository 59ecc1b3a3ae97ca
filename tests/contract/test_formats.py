"""What every format keeps: all of a text or nothing, the same from a pipe, and a plan that comes true."""

import io
import json
import os
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from processor.confined.formats import convert
from processor.confined.formats.base import folder_of, format_of
from processor.domain.conversion import ConversionOptions, DataFormat, Receipt
from processor.domain.detection import HEAD_BYTES, detect
from processor.domain.errors import DeliveryError, Failure
from processor.domain.files import FileType, Kind
from processor.streams.source import BytesSource, Source, open_file
from tests.contract.samples import SAMPLES
from tests.contract.samples.base import Sample
from tests.unit.confined.formats.tables import MemoryOutput

OPTIONS = ConversionOptions()
each_sample = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)


@dataclass(frozen=True)
class PipeSource:
    """A member of an archive: its length is not known, nothing can be sought, and reads are short."""

    name: str
    data: bytes
    size_bytes: None = None
    path_fd: None = None

    def open(self) -> BinaryIO:
        read_end, write_end = os.pipe()
        threading.Thread(target=self._feed, args=(write_end,), daemon=True).start()
        return io.FileIO(read_end, "rb")

    def _feed(self, write_end: int) -> None:
        # A reader may have seen enough before the end.
        with open(write_end, "wb", buffering=0) as pipe, suppress(BrokenPipeError):
            pipe.writelines(self.data[start : start + 1000] for start in range(0, len(self.data), 1000))


@dataclass(frozen=True)
class Outcome:
    """A receipt and bytes, or a failure."""

    receipt: Receipt | None
    parquet: bytes
    failure: Failure | None

    @property
    def table(self) -> pa.Table:
        return pq.read_table(io.BytesIO(self.parquet)).replace_schema_metadata()

    @property
    def rows(self) -> int | None:
        return self.receipt.rows if self.receipt is not None else None


def outcome(source: Source, data_format: DataFormat) -> Outcome:
    output = MemoryOutput()
    try:
        receipt = convert(source, data_format, OPTIONS, output, ())
    except DeliveryError as error:
        return Outcome(None, b"", error.failure)
    assert output.table().num_rows == receipt.rows
    return Outcome(receipt, output.parquet_bytes, None)


def of_bytes(sample: Sample, data: bytes) -> Outcome:
    return outcome(BytesSource(f"t.{sample.format.value}", data), sample.format)


@contextmanager
def as_file(folder: Path, name: str, data: bytes) -> Iterator[Source]:
    (folder / name).write_bytes(data)
    with open_file(os.fsencode(folder), name.encode()) as source:
        yield source


@each_sample
@pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
def test_a_pipe_gives_the_same_parquet_as_a_file(sample: Sample, large: bool, tmp_path: Path) -> None:
    data = sample.large() if large else sample.data
    name = f"t.{sample.format.value}"
    with as_file(tmp_path, name, data) as file:
        from_file = outcome(file, sample.format)
    from_pipe = outcome(PipeSource(name, data), sample.format)
    assert from_file.failure is None
    assert from_pipe.table == from_file.table
    if not (large and sample.receipts_differ):
        assert from_pipe.receipt == from_file.receipt
        assert from_pipe.parquet == from_file.parquet


@each_sample
def test_the_head_of_a_document_confirms_its_name_and_a_binary_one_does_not(sample: Sample) -> None:
    name = f"t.{sample.format.value}".encode()
    for data in (sample.data, sample.large()):
        assert detect(name, data[:HEAD_BYTES]) == Kind(FileType.DATABASE, data=sample.format)
    assert detect(name, b"\x7fELF" + sample.data).type is FileType.REGULAR


@each_sample
def test_a_document_cut_anywhere_is_refused_or_has_just_its_rows(sample: Sample) -> None:
    assert sample.rows_in(sample.data) >= {sample.rows}
    assert of_bytes(sample, sample.data).rows == sample.rows
    for length in range(len(sample.data)):
        cut = sample.data[:length]
        found, right = of_bytes(sample, cut), sample.rows_in(cut)
        if found.failure is None:
            assert found.rows in right, cut
        else:
            assert len(right) != 1, (cut, found.failure)


@each_sample
def test_garbage_behind_a_document_is_refused(sample: Sample) -> None:
    for garbage in sample.garbage:
        found = of_bytes(sample, sample.data + garbage)
        assert found.failure is not None, garbage
        assert found.failure.code.startswith(f"{folder_of(sample.format)}."), found.failure


@each_sample
def test_a_plan_says_what_convert_does(sample: Sample) -> None:
    texts = [sample.data[:length] for length in range(0, len(sample.data) + 1, 3)]
    texts += [sample.data, *(sample.data + garbage for garbage in sample.garbage)]
    for text in texts:
        found = of_bytes(sample, text)
        planned = _planned(sample, text)
        if isinstance(planned, Failure) or found.failure is not None:
            assert planned == found.failure, text
        else:
            assert found.receipt is not None
            assert planned == [(column.name, column.type) for column in found.receipt.columns], text


def _planned(sample: Sample, text: bytes) -> Failure | list[tuple[str, str]]:
    source = BytesSource(f"t.{sample.format.value}", text)
    try:
        plan = format_of(sample.format).plan(source, sample.format, OPTIONS)
    except DeliveryError as error:
        return error.failure
    return plan.refusal or [(column.name, column.type) for column in plan.columns]


# Keys that stand twice

_TWICE = '{"a":1,"b":2,"a":1}'


@pytest.mark.parametrize(
    ("data_format", "text"),
    [
        (DataFormat.JSON, f'[{{"a":1}},{_TWICE}]'),
        (DataFormat.JSON, f'[{{"a":{{"x":1}}}},{{"a":{_TWICE}}}]'),
        (DataFormat.JSON, f'{{"a":1}}\n{_TWICE}\n'),
        (DataFormat.JSONL, f'{{"a":1}}\n{_TWICE}\n'),
        (DataFormat.JSONL, f'{{"a":[{_TWICE}]}}\n{{"a":[]}}\n'),
        (DataFormat.JSON, '[{"a":1,"\\u0061":2}]'),
        (DataFormat.JSON, "[" + '{"a":1,"b":2},' * 3000 + _TWICE + "]"),
    ],
)
def test_a_key_that_stands_twice_is_refused(data_format: DataFormat, text: str) -> None:
    found = outcome(BytesSource("t.json", text.encode()), data_format)
    assert found.failure is not None
    assert "key" in found.failure.message


@pytest.mark.parametrize("text", [_TWICE, f'{{"x":{_TWICE}}}'])
def test_a_key_that_stands_twice_in_the_one_document_loses_no_value(text: str) -> None:
    source, output = BytesSource("t.json", text.encode()), MemoryOutput()
    with suppress(DeliveryError):
        convert(source, DataFormat.JSON, OPTIONS, output, ())
        assert output.table().to_pylist() == [{"value": text}]


# Documents in, rows out


def _value(chance: random.Random, depth: int) -> Any:
    match chance.randrange(9 if depth else 6):
        case 0:
            return None
        case 1:
            return chance.choice([True, False])
        case 2:
            return chance.choice([0, -7, 2**63, 1.5, 1e300])
        case 3 | 4 | 5:
            return chance.choice(["", "x", "]}", '"', "ü\n", "2024-01-01"])
        case 6:
            return [_value(chance, depth - 1) for _ in range(chance.randrange(3))]
        case _:
            return {chance.choice("abcde"): _value(chance, depth - 1) for _ in range(chance.randrange(3))}


@pytest.mark.parametrize("seed", range(25))
def test_documents_in_are_rows_out(seed: int) -> None:
    chance = random.Random(seed)
    documents = [
        {"id": at, **{chance.choice("abc"): _value(chance, 2) for _ in range(3)}}
        for at in range(1, chance.randrange(3, 60))
    ]
    texts = [json.dumps(document, ensure_ascii=chance.random() < 0.5) for document in documents]
    for data_format, text in [
        (DataFormat.JSONL, "\n".join(texts)),
        (DataFormat.JSON, "\n".join(texts)),
        (DataFormat.JSON, f"[{', '.join(texts)}]"),
        (DataFormat.JSON, json.dumps(documents, indent=1)),
    ]:
        assert outcome(BytesSource("t.json", text.encode()), data_format).rows == len(documents)


_PARTS = ["<a>1</a>", "<b><c>x</c><c>y</c></b>", "<d/>", "<e f='1'>t</e>", "<g><![CDATA[<item>]]></g>", "<h>&lt;</h>"]


def _item(chance: random.Random) -> str:
    attributes = chance.choice(["", " k='1'", " k='x' l=''"])
    return f"<item{attributes}>{''.join(chance.sample(_PARTS, chance.randrange(4)))}</item>"


@pytest.mark.parametrize("seed", range(15))
def test_elements_in_are_rows_out(seed: int) -> None:
    chance = random.Random(seed)
    items = [_item(chance) for _ in range(chance.randrange(2, 60))]
    between = chance.choice(["", "\n", "\n  <!-- item -->\n"])
    text = f"<list>{between.join(items)}</list>"
    assert outcome(BytesSource("t.xml", text.encode()), DataFormat.XML).rows == len(items)


# Every value of a text is in its table


def _tree(chance: random.Random, values: Iterator[str], depth: int) -> str:
    """Return an element with attributes, text and children, of which some are alike."""
    tag = chance.choice(["a", "b", "c", "row"])
    attributes = "".join(f' {name}="{next(values)}"' for name in chance.sample("klm", chance.choice([0, 0, 1, 2])))
    text = next(values) if chance.random() < 0.4 else ""
    if depth == 0:
        return f"<{tag}{attributes}>{text}</{tag}>"
    children = [_tree(chance, values, depth - 1) for _ in range(chance.randrange(4))]
    tail = next(values) if chance.random() < 0.1 else ""
    return f"<{tag}{attributes}>{text}{''.join(children)}{tail}</{tag}>"


def _values() -> tuple[list[str], Iterator[str]]:
    """Return the values given out so far, and the iterator that gives them out; none is part of another."""
    given: list[str] = []

    def values() -> Iterator[str]:
        while True:
            given.append(f"v{len(given):04}")
            yield given[-1]

    return given, values()


@pytest.mark.parametrize("seed", range(60))
def test_every_value_of_an_xml_document_is_in_its_table(seed: int) -> None:
    given, values = _values()
    text = f"<root>{_tree(random.Random(seed), values, 3)}{_tree(random.Random(seed), values, 2)}</root>"
    output = MemoryOutput()
    with suppress(DeliveryError):
        convert(BytesSource("t.xml", text.encode()), DataFormat.XML, OPTIONS, output, ())
        kept = str(output.table().to_pylist())
        assert not [value for value in given if value not in kept], text


def _document(chance: random.Random, values: Iterator[str], depth: int) -> Any:
    match chance.randrange(4 if depth else 1):
        case 0 | 1:
            return next(values)
        case 2:
            return [_document(chance, values, depth - 1) for _ in range(chance.randrange(3))]
        case _:
            return {chance.choice("abAé "): _document(chance, values, depth - 1) for _ in range(chance.randrange(4))}


@pytest.mark.parametrize("seed", range(60))
def test_every_value_of_json_documents_is_in_their_table(seed: int) -> None:
    chance, (given, values) = random.Random(seed), _values()
    documents = [_document(chance, values, 3) for _ in range(chance.randrange(1, 12))]
    text = json.dumps(documents)
    output = MemoryOutput()
    convert(BytesSource("t.json", text.encode()), DataFormat.JSON, OPTIONS, output, ())
    kept = str(output.table().to_pylist())
    assert output.table().num_rows == len(documents)
    assert not [value for value in given if value in text and value not in kept], text
