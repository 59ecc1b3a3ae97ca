"""Commit a batch to its table, once.

The batch's id goes into a property of the table, with the very commit that adds its files. So whoever comes again with
the same batch, after a crash or a lost answer, reads there that it is done; a property outlives the snapshot, which
engines may expire. A commit is tried against one state of the table only: when another writer was quicker the table is
loaded and asked anew.
"""

import hashlib
import random
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import pyarrow.parquet as pq
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import (
    CommitFailedException,
    NamespaceAlreadyExistsError,
    NoSuchTableError,
    TableAlreadyExistsError,
    ValidationError,
)
from pyiceberg.io import FileIO
from pyiceberg.manifest import DataFile
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table, TableProperties, Transaction
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.transforms import IdentityTransform, parse_transform

from processor.domain.tables import Batch, BatchFile, Registration, partition_fields, path_in_summary
from processor.tables import inspect
from processor.tables.data_files import data_file, footer, source_of
from processor.tables.schema import NoDataFileError, lacks, schema_of

_OURS = "processor"  # begins the names of our properties
BATCH = f"{_OURS}.batch"

_LONGEST_SOURCES = 4096  # every snapshot is repeated in each version of the table's metadata
_KEPT_FOOTER_BYTES = 64 << 10
_KEPT_FOOTERS = 1000
_ATTEMPTS = 20
_LONGEST_PAUSE_SECONDS = 2.0
_FIRST_PARTITION_ID = 1000  # "Partition Field IDs", Iceberg's specification

# Of a table that we make. Old versions of its metadata go by themselves, and its manifests stay few.
_PROPERTIES = {
    TableProperties.METADATA_DELETE_AFTER_COMMIT_ENABLED: "true",
    TableProperties.MANIFEST_MERGE_ENABLED: "true",
    "write.parquet.compression-codec": "zstd",
}
_REWRITTEN = (
    "an earlier content of {path} is no longer one of the table's files: an engine rewrote or deleted them. Delete its"
    " rows in the table, if there are any left, then run `processor tables --retry`"
)


@dataclass(slots=True)
class Committer:
    """Commits batches to the tables of a catalog.

    `location` tells how tables name an object, and `known` under which keys the ledger knows those of a table.
    """

    catalog: Catalog
    files: FileIO
    location: Callable[[str], str]
    known: Callable[[str], Collection[str]] = lambda _table: ()
    chance: random.Random = field(default_factory=random.SystemRandom)

    def register(self, batch: Batch, files: Sequence[BatchFile]) -> Registration:
        """Commit the batch, unless it is committed already.

        Raises CommitFailedException when others are quicker again and again, and whatever the catalog and the store
        raise when they do not answer: then it may be committed, or not.
        """
        footers = _Footers(self.files, self.location)
        for attempt in range(_ATTEMPTS):
            try:
                return replace(_CommitAttempt(self, batch, files, footers).result(), conflicts=attempt)
            except (CommitFailedException, TableAlreadyExistsError):
                if attempt == _ATTEMPTS - 1:
                    raise
                time.sleep(self.chance.uniform(0, min(_LONGEST_PAUSE_SECONDS, 0.05 * 2**attempt)))
        raise AssertionError("the last attempt returns or raises")

    def identifier(self, name: str) -> tuple[str, ...]:
        """Return how the catalog knows a table; one without a namespace is in `default`."""
        return tuple(name.split(".")) if "." in name else ("default", name)

    def table(self, name: str) -> Table | None:
        """Return the table; None where there is none."""
        try:
            return self.catalog.load_table(self.identifier(name))
        except NoSuchTableError:
            return None


@dataclass(slots=True)
class _Footers:
    """The ends of objects; some small ones are kept from one attempt to the next."""

    files: FileIO
    location: Callable[[str], str]
    kept: dict[int, pq.FileMetaData] = field(default_factory=dict)

    def of(self, file: BatchFile) -> pq.FileMetaData:
        found = self.kept.get(file.row)
        if found is None:
            found = footer(self.files, self.location(file.key), file)
            if found.serialized_size <= _KEPT_FOOTER_BYTES and len(self.kept) < _KEPT_FOOTERS:
                self.kept[file.row] = found
        return found


class _CommitAttempt:
    """One attempt, against the table as it is now."""

    def __init__(self, committer: Committer, batch: Batch, files: Sequence[BatchFile], footers: _Footers) -> None:
        self._committer = committer
        self._batch = batch
        self._files = files
        self._adds = [file for file in files if not file.remove]
        self._footers = footers
        self._refused: dict[int, str] = {}
        self._property = f"{BATCH}.{batch.writer}"

    def result(self) -> Registration:
        table = self._committer.table(self._batch.table.name) or self._created()
        if table is None:
            return Registration(None, self._refused)
        if table.properties.get(self._property) == self._batch.id:
            return self._recalled(table)
        return self._committed(table)

    # Making the table

    def _created(self) -> Table | None:
        """Make the table with the columns of its first file; None when none of them can be its file."""
        for file in self._adds:
            try:
                schema = schema_of(self._footers.of(file).schema.to_arrow_schema())
                spec = _spec(self._batch, schema)
            except NoDataFileError as error:
                self._refused[file.row] = str(error)
                continue
            return self._create(schema, spec)
        return None

    def _create(self, schema: Schema, spec: PartitionSpec) -> Table:
        catalog, identifier = self._committer.catalog, self._committer.identifier(self._batch.table.name)
        for depth in range(1, len(identifier)):
            if not catalog.namespace_exists(identifier[:depth]):
                with suppress(NamespaceAlreadyExistsError):  # another writer was quicker
                    catalog.create_namespace(identifier[:depth])
        properties = _PROPERTIES | {TableProperties.DEFAULT_NAME_MAPPING: schema.name_mapping.model_dump_json()}
        return catalog.create_table(identifier, schema, partition_spec=spec, properties=properties)

    # A batch that was committed before

    def _recalled(self, table: Table) -> Registration:
        """Return what became of the batch, which the table says it has."""
        snapshot = next((each for each in reversed(table.snapshots()) if _names(each.summary, self._batch)), None)
        if snapshot is None:  # expired; what is there now is all that can be known
            there = {each.file_path for each in inspect.data_files(table)}
            text = "its snapshot expired before it was recorded, and the table does not name it: compare, then --retry"
            lost = {file.row: text for file in self._adds if self._location(file) not in there}
            return Registration(None, lost)
        added = {each.file_path for each in inspect.added_files(table, snapshot)}
        undone = {file.file_row for file in self._adds if self._location(file) not in added}
        again = {
            file.row
            for file in self._files
            if file.file_row in undone and (file.remove or self._location(file) not in added)
        }
        return Registration(snapshot.snapshot_id, {}, frozenset(again))

    # The commit

    def _committed(self, table: Table) -> Registration:
        there = self._those_there(table)
        gone = {each.file_row: each for each in self._files if each.remove and self._location(each) not in there}
        removed = [there[self._location(file)] for file in self._files if file.remove and file.file_row not in gone]
        removed += self._left_by_another_ledger(table)
        added, rows = [], 0
        # One attempt only: with the next one the table has to be asked anew.
        table.metadata.properties[TableProperties.COMMIT_NUM_RETRIES] = "0"
        changes = _Changes(table)
        for file in self._adds:
            if file.doubtful and self._location(file) in there:
                continue
            if file.file_row in gone:
                self._refused[file.row] = _REWRITTEN.format(path=repr(file.source_path))
                continue
            try:
                added.append(changes.data_file(self._location(file), file, self._footers.of(file)))
                rows += file.rows
            except NoDataFileError as error:
                self._refused[file.row] = str(error)
        if not added and not removed:
            return Registration(None, self._refused)
        changes.transaction.set_properties({self._property: self._batch.id})
        snapshot = changes.commit(added, removed, _summary(self._batch, self._files))
        return Registration(snapshot, self._refused, added_rows=rows)

    def _those_there(self, table: Table) -> dict[str, DataFile]:
        """Return those of the batch's objects that the table has, by location. Of most batches none is asked for."""
        wanted = {self._location(file) for file in self._files if file.remove or file.doubtful}
        if not wanted:
            return {}
        return {each.file_path: each for each in inspect.data_files(table) if each.file_path in wanted}

    def _left_by_another_ledger(self, table: Table) -> list[DataFile]:
        """Return objects of earlier contents that a lost ledger had no time to have removed.

        Only a rebuilt ledger doubts. The Parquet itself tells which source it was made of.
        """
        sources = {file.source_path for file in self._adds if file.doubtful}
        if not sources:
            return []
        store = self._committer.location("")
        known = {self._committer.location(key) for key in self._committer.known(self._batch.table.name)}
        strays = (each for each in inspect.data_files(table) if each.file_path not in known)
        return [
            each
            for each in strays
            if each.file_path.startswith(store) and source_of(self._committer.files, each.file_path) in sources
        ]

    def _location(self, file: BatchFile) -> str:
        return self._committer.location(file.key)


class _Changes:
    """A transaction that adds columns as files need them."""

    def __init__(self, table: Table) -> None:
        self.transaction = Transaction(table)
        self._metadata: TableMetadata = table.metadata
        if table.name_mapping() is None:
            mapping = table.schema().name_mapping.model_dump_json()
            self.transaction.set_properties({TableProperties.DEFAULT_NAME_MAPPING: mapping})

    def data_file(self, location: str, file: BatchFile, parquet: pq.FileMetaData) -> DataFile:
        columns = schema_of(parquet.schema.to_arrow_schema())
        if lacks(self._metadata.schema().as_struct(), columns.as_struct()):
            try:
                with self.transaction.update_schema() as update:
                    update.union_by_name(columns)
            except (ValidationError, ValueError) as error:
                raise NoDataFileError(f"the table can not take its columns: {error}") from error
            self._metadata = self.transaction.table_metadata
        return data_file(self._metadata, location, file, parquet)

    def commit(self, added: Sequence[DataFile], removed: Sequence[DataFile], summary: Mapping[str, str]) -> int:
        update = self.transaction.update_snapshot(snapshot_properties=dict(summary))
        with update.overwrite() if removed else update.merge_append() as snapshot:
            for each in added:
                snapshot.append_data_file(each)
            for each in removed:
                snapshot.delete_data_file(each)
        # A conflict may be told though the commit was done (a request that was sent twice). The library would then
        # delete what the table is made of; we ask the table, and leave the few KB of a real conflict where they are.
        snapshot._clean_all_uncommitted = lambda: None  # type: ignore[method-assign]  # noqa: SLF001
        self.transaction.commit_transaction()
        return int(snapshot.snapshot_id)


def sources_of(summary: Mapping[str, str] | None) -> tuple[Mapping[str, str] | None, bool]:
    """Return the SHA-256 of the sources that a snapshot names, by escaped path, and whether it names all of them."""
    told = None if summary is None else summary.get(f"{_OURS}.sources")
    if summary is None or told is None:
        return None, False
    lines = (line.partition("  ") for line in told.split("\n"))
    return {path: digest for digest, _, path in lines}, f"{_OURS}.sources-left-out" not in summary


def _names(summary: Mapping[str, str] | None, batch: Batch) -> bool:
    return summary is not None and summary.get(BATCH) == batch.id


def _spec(batch: Batch, schema: Schema) -> PartitionSpec:
    """Return how the feed divides the table. Raises NoDataFileError."""
    fields = []
    for number, each in enumerate(partition_fields(batch.table.partition), _FIRST_PARTITION_ID):
        try:
            source = schema.find_field(each.column)
        except ValueError as error:
            raise NoDataFileError(f"[feed.table] partition: there is no column {each.column!r}") from error
        transform = IdentityTransform() if each.transform == "identity" else parse_transform(each.transform)
        if not transform.can_transform(source.field_type):
            raise NoDataFileError(
                f"[feed.table] partition: {each.column!r} is {source.field_type}, which has no {transform}"
            )
        fields.append(PartitionField(source.field_id, number, transform, each.name))
    return PartitionSpec(*fields)


def _summary(batch: Batch, files: Sequence[BatchFile]) -> dict[str, str]:
    """Return what the snapshot says of itself: all sources by their digest, and as many as find room by their names."""
    lines = list(_source_lines(files))
    told, size = 0, 0
    while told < len(lines) and size + len(lines[told]) < _LONGEST_SOURCES:
        size += len(lines[told]) + 1
        told += 1
    found = {
        "batch": batch.id,
        "writer": batch.writer,
        "files": str(len(files)),
        "sources-sha256": hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest(),
        "sources": "\n".join(lines[:told]),
    }
    if told < len(lines):
        found["sources-left-out"] = str(len(lines) - told)
    return {f"{_OURS}.{name}": value for name, value in found.items()}


def _source_lines(files: Sequence[BatchFile]) -> Iterator[str]:
    """Yield SHA-256 and path of each source once, as sha256sum(1) writes them."""
    yield from dict.fromkeys(f"{file.source_sha256}  {path_in_summary(file.source_path)}" for file in files)
