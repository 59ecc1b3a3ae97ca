"""`processor convert --batch` and `processor plan`, as another program or an operator has them."""

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from processor.commands import convert
from processor.domain.errors import DeliveryError


def processor(
    home: Path, *arguments: str, lines: bytes = b"", **environment: str
) -> "subprocess.CompletedProcess[bytes]":
    """Run `processor ...` in `home`."""
    return subprocess.run(
        [sys.executable, "-m", "processor", *arguments],
        cwd=home,
        env=os.environ | {"PYTHONUTF8": "1"} | environment,
        input=lines,
        capture_output=True,
        timeout=120,
        check=False,
    )


def test_a_batch_answers_every_line_in_order_whatever_it_names(tmp_path: Path) -> None:
    files = {
        b"with space.csv": b"a,b\n1,2\n",
        b"short.csv": b"a,b\n1,2\n3\n",
        b"lines.jsonl": b'{"a":1}\n{"a":2}\n',
        b"array.json": b'[{"a":1}]',
        b"rows.xml": b"<r><x>1</x><x>2</x></r>",
        b"tabs.tsv": b"a\tb\n1,5\t2\n",
        b"broken.json": b'{"a":',
        b"empty.csv": b"",
        b"binary.csv": b"\x7fELF\1\2",
        b"no\xff utf8.csv": b"a,b\n1,2\n",
    }
    for name, content in files.items():
        (tmp_path / os.fsdecode(name)).write_bytes(content)
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "tabs.tsv", "tabs.tsv")
    (tmp_path / "directory.csv").mkdir()
    wanted = [
        (b"with space.csv\to 1.parquet", "ok"),
        (b"short.csv\to2.parquet", "err 1 row does not have 2 fields: line 3"),
        (b"without a tab", "err usage"),
        (b"", "err usage"),
        (b"missing.csv\to3.parquet", "err missing.csv: No such file"),
        (b"lines.jsonl\to4.parquet", "ok"),
        (b"array.json\to5.parquet", "ok"),
        (b"rows.xml\to6.parquet", "ok"),
        (b"a.tar.gz\to7.parquet", "err a.tar.gz is an archive"),
        (b"broken.json\to8.parquet", "err line 1, column 6"),
        (b"empty.csv\to9.parquet", "err empty.csv: empty"),
        (b"binary.csv\to10.parquet", "err binary.csv: named .csv but"),
        (b"tabs.tsv\tnowhere/o11.parquet", "err "),
        (b"tabs.tsv\tdirectory.csv", "err "),
        (b"directory.csv\to12.parquet", "err directory.csv is not a plain file"),
        (b"a\0b.csv\to13.parquet", "err stat: embedded null"),
        (b"no\xff utf8.csv\to14.parquet", "ok"),
        (b"not\xffthere.csv\to15.parquet", "err not\\udcffthere.csv: No such file"),
        (b"tabs.tsv\to16.parquet", "ok"),
    ]
    done = processor(tmp_path, "convert", "--batch", lines=b"\n".join(line for line, _ in wanted))
    assert done.returncode == 0, done.stderr
    answers = done.stdout.decode().splitlines()
    assert [answer[: len(start)] for answer, (_, start) in zip(answers, wanted, strict=True)] == [x for _, x in wanted]
    ok = sorted(line.split(b"\t")[1].decode() for line, answer in wanted if answer == "ok")
    assert sorted(path.name for path in tmp_path.glob("*.parquet")) == ok, "what is refused leaves nothing behind"
    metadata = pq.read_metadata(tmp_path / "o16.parquet").metadata
    assert metadata[b"source-path"] == b"tabs.tsv"
    assert len(metadata[b"source-sha256"]) == 64
    assert metadata[b"dialect"].startswith(b"delimiter '\\t'")
    assert metadata[b"encoding"] == b"utf-8: valid UTF-8"
    assert b"BIGINT: all values are whole numbers" in metadata[b"column-types"]


def test_a_plan_tells_of_every_kind_of_file_what_would_become_of_it(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("Titel\n\nid;größe\n1;2,5\n2;3,5\n".encode("utf-16"))
    (tmp_path / "short.csv").write_bytes(b"a,b\n1,2\n3\n")
    (tmp_path / "t.tsv").write_bytes(b"a\tb\n1\t2024-01-01\n")
    (tmp_path / "l.jsonl").write_bytes(b'{"a":1.5}\n')
    (tmp_path / "x.xml").write_bytes(b"<r><x>1</x><x>2</x></r>")
    (tmp_path / "bad.json").write_bytes(b"[1,")
    (tmp_path / "r.bin").write_bytes(b"bytes")
    (tmp_path / "false.zip").write_bytes(b"no zip")
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "t.tsv", "t.tsv")
        archive.add(tmp_path / "t.tsv", "t.bak")
    done = processor(tmp_path, "plan", ".", CSV_NOTES="recognise", EXCLUDE="*.bak")
    assert done.returncode == 1, "some would be refused"
    plans = {name: text for name, _, text in (part.partition("\n") for part in _parts(done.stdout.decode()))}
    assert sorted(plans) == sorted(path.name for path in tmp_path.iterdir())
    for name, told in {
        "a.csv": ("key a.csv.parquet", "utf-16-le", "preamble: Titel", "id: BIGINT", "größe: VARCHAR"),
        "short.csv": ("a: BIGINT", "malformed lines: 3", "refused: 1 row does not have 2 fields: line 3"),
        "t.tsv": ("delimiter '\\t'", "b: DATE"),
        "l.jsonl": ("one document a line", "a: DOUBLE"),
        "x.xml": ("rows: /r/x", "#text: BIGINT"),
        "bad.json": ("refused: line 1, column 4",),
        "r.bin": ("regular, 5 bytes", "key r.bin"),
        "false.zip": ("regular", "type-mismatch: named .zip but the content is not zip"),
        "a.tar.gz": ("tar.gz", "key a.tar.gz/", "t.bak: no file: left out by INCLUDE or EXCLUDE"),
    }.items():
        assert all(words in plans[name] for words in told), plans[name]
    kept = processor(tmp_path, "plan", "short.csv", MALFORMED_ROWS="keep")
    assert (kept.returncode, b"refused" in kept.stdout) == (0, False)


def _parts(text: str) -> list[str]:
    """Return what is said of each file: its name is a line that no space begins."""
    parts: list[str] = []
    for line in text.splitlines(keepends=True):
        if line.startswith(" "):
            parts[-1] += line
        else:
            parts.append(line)
    return parts


def test_notes_of_a_table_stand_beside_its_parquet(tmp_path: Path) -> None:
    (tmp_path / "n.csv").write_bytes(b"Prices\n\na,b\n1,2\n3,4\nTotal: 2\n5\n")
    settings = {"CSV_NOTES": "recognise", "MALFORMED_ROWS": "reject-object"}
    done = processor(tmp_path, "convert", "n.csv", "n.parquet", **settings)
    assert done.returncode == 0, done.stderr
    notes, rejects = (tmp_path / f"n.parquet.{name}.jsonl" for name in ("notes", "rejects"))
    lines = notes.read_bytes().splitlines() + (rejects.read_bytes().splitlines() if rejects.exists() else [])
    assert sum(b'"text"' in line for line in lines) == 3
    assert notes.read_bytes().splitlines()[0] == b'{"line":1,"text":"Prices","taken_for":"preamble"}'


@pytest.mark.parametrize("place", ["/dev/shm/missing", "/proc"])
def test_what_comes_through_a_pipe_is_never_put_on_a_disk(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    monkeypatch.setattr(convert, "_SHARED_MEMORY", place)
    with pytest.raises(DeliveryError) as refused, convert.piped(Path("-"), Path("out.parquet")):
        pass
    assert refused.value.failure.code == "convert.no-memory"
