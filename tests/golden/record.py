"""One file under one choice of settings: what was made of it."""

import hashlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import pyarrow.parquet as pq

_LONGEST = 200  # characters of a fact that are kept as they are; longer ones are kept as their digest


@dataclass(frozen=True, slots=True)
class Table:
    """A Parquet file: its bytes, its shape and what it says of itself."""

    sha256: str
    rows: int
    names: list[str]
    types: list[str]
    facts: dict[str, str] = field(default_factory=dict)
    rejects: str = ""  # SHA-256 of the rejected rows, if there are any
    notes: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """A file's path, the settings, and a table or a failure."""

    path: str
    settings: dict[str, str]
    table: Table | None = None
    code: str = ""
    message: str = ""
    members: dict[str, str] = field(default_factory=dict)  # an archive's: SHA-256 by path

    @property
    def key(self) -> tuple[str, str]:
        return self.path, " ".join(f"{name}={value}" for name, value in sorted(self.settings.items()))

    def fields(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of(cls, fields: dict[str, Any]) -> Self:
        table = fields.pop("table")
        return cls(**fields, table=Table(**table) if table else None)


def read_table(path: Path) -> Table:
    """Return what the Parquet file at `path` is."""
    with pq.ParquetFile(path) as file:
        schema = file.schema_arrow.remove_metadata()
        facts = {
            name.decode(): _short(value)
            for name, value in (file.metadata.metadata or {}).items()
            if name != b"ARROW:schema"
        }
        return Table(
            sha256=digest(path),
            rows=file.metadata.num_rows,
            names=list(schema.names),
            types=[_short(str(kind).encode()) for kind in schema.types],
            facts=dict(sorted(facts.items())),
            rejects=digest(path.with_name(f"{path.name}.rejects.jsonl")),
            notes=digest(path.with_name(f"{path.name}.notes.jsonl")),
        )


def digest(path: Path) -> str:
    """Return the SHA-256 of the file at `path`; nothing when there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _short(value: bytes) -> str:
    text = value.decode("utf-8", "backslashreplace")
    return text if len(text) <= _LONGEST else f"sha256:{hashlib.sha256(value).hexdigest()}"
