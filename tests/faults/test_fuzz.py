"""Damaged files of every kind through the whole way: each has its end, and none finds a bug in a worker."""

import gzip
import io
import json
import os
import random
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from processor.confined.formats import convert
from processor.domain.conversion import ConversionOptions, DataFormat, MalformedRows
from processor.domain.detection import detect
from processor.domain.errors import DeliveryError, ErrorClass
from processor.domain.files import FileType
from processor.streams.frames import BrokenStreamError, EndOfStream, Failed, Frame, read_frames
from processor.streams.source import BytesSource
from tests.e2e.bucket import Bucket
from tests.e2e.conftest import MakeDaemon
from tests.examples import MANY, examples
from tests.faults import contents
from tests.faults.checker import Checker
from tests.faults.contents import HOSTILE, Content, Fate, good
from tests.faults.generator import sha256
from tests.faults.names import real_suffix, suffix_of
from tests.unit.confined.formats.csv.csv_tables import WithRejects
from tests.unit.streams.test_frames import STREAMS, encoded

COUNT = 200 if MANY else 120
_many = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", examples(60))), suppress_health_check=[HealthCheck.too_slow]
)
_BUGS = {"worker.bug", "worker.died", "worker.crashed", "worker.silent", "worker.memory", "worker.cpu-time"}
_SUFFIXES = st.sampled_from([".csv", ".json", ".jsonl", ".xml", ".zip", ".tar", ".tar.gz", ".gz", ".zst", ".bin", ""])
_HEADS = st.one_of(st.binary(max_size=600), st.sampled_from([b"PK\x03\x04", b"\x1f\x8b\x08", b"\x89PNG\r\n\x1a\n"]))


@given(name=st.binary(min_size=1, max_size=40), suffix=_SUFFIXES, head=_HEADS)
def test_any_name_and_any_bytes_are_of_some_kind_and_without_a_known_suffix_regular(
    name: bytes, suffix: str, head: bytes
) -> None:
    whole = name.replace(b"/", b"_") + suffix.encode()
    kind = detect(whole, head)
    if not suffix_of(whole):
        assert kind.type is FileType.REGULAR
        assert not kind.mismatch
    if not head:
        assert kind.type is FileType.REGULAR
    if kind.mismatch:
        assert kind.type is FileType.REGULAR
        assert suffix_of(whole)
    if kind.type is not FileType.REGULAR and suffix_of(whole) not in (".zip", ".tar"):
        assert real_suffix(whole, head)


def damaged(rng: random.Random) -> Content:
    """Return a file with a few bytes changed, doubled, dropped or cut off."""
    content = rng.choice((good, good, rng.choice(HOSTILE)))(rng)
    return Content(content.suffix, damage(rng, content.data[:200_000]), Fate.EITHER)


def damage(rng: random.Random, whole: bytes) -> bytes:
    data = bytearray(whole)
    for _ in range(rng.randrange(1, 6)):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(4):
            case 0 if at < len(data):
                data[at] = rng.randrange(256)
            case 1:
                data[at:at] = data[at : at + rng.randrange(1, 50)] or b"\0"
            case 2:
                del data[at : at + rng.randrange(1, 20)]
            case _:
                del data[len(data) - rng.randrange(len(data) // 4 + 1) :]
    return bytes(data)


@_many
@given(seed=st.integers(0, 2**48), mode=st.sampled_from(MalformedRows))
@pytest.mark.parametrize(
    ("make", "data_format"),
    [
        (contents.comma_separated, DataFormat.CSV),
        (contents.tab_separated, DataFormat.TSV),
        (contents.json_array, DataFormat.JSON),
        (contents.json_lines, DataFormat.JSONL),
        (contents.xml, DataFormat.XML),
    ],
    ids=lambda value: str(value) if isinstance(value, DataFormat) else "",
)
def test_damaged_data_is_refused_or_is_what_the_standard_library_reads_too(
    make: Callable[[random.Random], Content], data_format: DataFormat, seed: int, mode: MalformedRows
) -> None:
    rng = random.Random(seed)
    data = damage(rng, make(rng).data)
    output = WithRejects()
    try:
        receipt = convert(
            BytesSource(f"a.{data_format}", data), data_format, ConversionOptions(malformed_rows=mode), output, ()
        )
    except DeliveryError as refusal:
        assert refusal.failure.error_class is ErrorClass.PERMANENT  # noqa: PT017 - that it is a refusal is the law
        assert refusal.failure.message  # noqa: PT017
        return
    assert output.table().num_rows == receipt.rows
    match data_format:
        case DataFormat.JSON | DataFormat.JSONL:
            read_as_json(data)
        case DataFormat.XML:
            ET.fromstring(data)


def read_as_json(data: bytes) -> None:
    """Read one document after the other. Raises ValueError."""
    text, decoder = data.decode("utf-8-sig"), json.JSONDecoder()
    at = 0
    while text[at:].strip():
        at += len(text[at:]) - len(text[at:].lstrip())
        _value, at = decoder.raw_decode(text, at)


@_many
@given(STREAMS, st.integers(0, 2**48))
def test_a_damaged_stream_is_refused_or_is_a_stream_in_order(frames: list[Frame], seed: int) -> None:
    """What a worker says is checked further by digests and counts; here it must only never confuse the reader."""
    try:
        read = list(read_frames(io.BytesIO(damage(random.Random(seed), encoded(frames)))))
    except BrokenStreamError:
        return
    assert isinstance(read[-1], EndOfStream | Failed)
    assert read == list(read_frames(io.BytesIO(encoded(read))))


def test_what_is_refused_under_a_name_that_is_no_text_is_refused_for_its_own_reason(
    make_daemon: MakeDaemon, objects: Bucket
) -> None:
    rng = random.Random(5)
    daemon = make_daemon()
    noise = [Content(suffix, b"\x81\x8d\xff" * 50) for suffix in (".csv", ".tsv", ".json", ".jsonl", ".xml", ".csv.gz")]
    hostile = [*noise, Content(".tsv.gz", gzip.compress(noise[0].data)), *(make(rng) for make in HOSTILE)]
    for number, content in enumerate(hostile):
        name = b"latin-\xe9-%d%s" % (number, content.suffix.encode())
        Path(os.fsdecode(os.path.join(os.fsencode(daemon.watch), name))).write_bytes(content.data)

    assert daemon.once() == 1

    assert [fields for fields in daemon.failures() if fields.get("code") in _BUGS] == []
    assert len(list(daemon.events("file.failed"))) >= len(noise) - 1
    fates = {sha256(content.data): Fate.EITHER for content in hostile}
    assert Checker(daemon.watch, daemon.errors, daemon.ledger, objects, fates).run() == []


@pytest.mark.slow
def test_damaged_files_of_every_kind_have_their_end_and_find_no_bug(make_daemon: MakeDaemon, objects: Bucket) -> None:
    seed = random.SystemRandom().randrange(10**9) if MANY else 20261130
    print(f"seed {seed}")
    rng = random.Random(seed)
    daemon = make_daemon(MAX_RETRIES=0)
    fates = {}
    for number in range(COUNT):
        content = damaged(rng)
        (daemon.watch / f"{number}{content.suffix}").write_bytes(content.data)
        fates[sha256(content.data)] = Fate.EITHER

    assert daemon.once(timeout=240) in (0, 1), daemon.tail()

    bugs = [fields for fields in daemon.failures() if fields.get("code") in _BUGS]
    assert bugs == [], f"seed {seed}"
    assert Checker(daemon.watch, daemon.errors, daemon.ledger, objects, fates).run() == [], f"seed {seed}"
    assert len(daemon.statuses()) == COUNT
