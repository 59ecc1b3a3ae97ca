"""`convert` and `extract` overwrite nothing unless told to, and never what they read."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet
import pytest

from processor.commands.convert import Converted, convert_file
from processor.commands.extract import extract_by
from processor.commands.local_worker import LocalWorker
from processor.config.settings import Settings
from processor.domain.errors import DeliveryError
from tests.unit.confined.archives.recording import zip_of

CSV = b"id,name\n1,a\n2,b\n"
Conversion = Callable[..., Converted]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    watch = tmp_path_factory.mktemp("watch")
    given = {"watch_path": watch, "error_directory": watch / "errors", "s3_bucket": "none"}
    return Settings.model_validate(given | {"malformed_rows": "reject-object"})


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("place")


@pytest.fixture(scope="module")
def worker(settings: Settings) -> Iterator[LocalWorker]:
    with LocalWorker(settings) as worker:
        yield worker


@pytest.fixture
def source(place: Path) -> Iterator[Path]:
    path = place / "in.csv"
    path.write_bytes(CSV)
    yield path
    assert path.read_bytes() == CSV, "the source is as it was"
    for left in place.iterdir():
        left.unlink()


@pytest.fixture
def convert(worker: LocalWorker, settings: Settings) -> Conversion:
    return lambda source, target, **more: convert_file(worker, settings, source, target, **more)


def refusal(action: Callable[[], object]) -> str:
    with pytest.raises(DeliveryError) as caught:
        action()
    return caught.value.failure.code


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("link", ["itself", "hard", "symbolic"])
def test_the_source_is_never_overwritten_under_whichever_name(
    source: Path, convert: Conversion, link: str, *, force: bool
) -> None:
    target = source if link == "itself" else source.with_name("out.parquet")
    if link == "hard":
        os.link(source, target)
    elif link == "symbolic":
        target.symlink_to(source)
    assert refusal(lambda: convert(source, target, force=force)) == "directory.is-source"
    if link != "symbolic":  # which is not followed when it is to be read
        assert refusal(lambda: convert(target, source, force=force)) == "directory.is-source"


def test_what_is_there_is_overwritten_only_by_force(source: Path, convert: Conversion) -> None:
    target = source.with_name("out.parquet")
    target.write_bytes(b"precious")
    assert refusal(lambda: convert(source, target)) == "directory.exists"
    assert target.read_bytes() == b"precious"
    convert(source, target, force=True)
    assert pyarrow.parquet.read_table(target).num_rows == 2


def test_a_table_whose_rejects_would_overwrite_something_is_not_written_at_all(
    source: Path, place: Path, convert: Conversion
) -> None:
    (place / "ragged.csv").write_bytes(CSV + b"3\n")
    rejects = place / "out.parquet.rejects.jsonl"
    rejects.write_bytes(b"precious")
    assert refusal(lambda: convert(place / "ragged.csv", place / "out.parquet")) == "directory.exists"
    assert sorted(path.name for path in place.iterdir()) == [source.name, rejects.name, "ragged.csv"]
    assert rejects.read_bytes() == b"precious"


def test_an_archive_is_not_overwritten_by_its_own_member(
    source: Path, place: Path, worker: LocalWorker, settings: Settings
) -> None:
    data = zip_of([("a.zip", b"a member of its name"), ("b.txt", b"b")])
    archive = place / "a.zip"
    archive.write_bytes(data)
    (place / "b.txt").write_bytes(b"precious")
    kept = extract_by(worker, settings, archive, place)
    assert [failure.code for _name, failure in kept.bad] == ["directory.exists", "directory.exists"]
    assert (place / "b.txt").read_bytes() == b"precious"
    forced = extract_by(worker, settings, archive, place, force=True)
    assert [failure.code for _name, failure in forced.bad] == ["directory.is-source"]
    assert (archive.read_bytes(), (place / "b.txt").read_bytes()) == (data, b"b")
    assert source.exists()
