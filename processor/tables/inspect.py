"""Read what a table consists of."""

from collections.abc import Iterator

from pyiceberg.manifest import DataFile, ManifestContent, ManifestEntry
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot


def data_files(table: Table) -> Iterator[DataFile]:
    """Yield the data files of the table's present snapshot."""
    yield from (entry.data_file for entry in entries(table))


def entries(table: Table) -> Iterator[ManifestEntry]:
    """Yield the data files of the table's present snapshot, each with the snapshot that added it."""
    snapshot = table.current_snapshot()
    for manifest in () if snapshot is None else snapshot.manifests(table.io):
        if manifest.content is ManifestContent.DATA:
            yield from manifest.fetch_manifest_entry(table.io, discard_deleted=True)


def files_ever(table: Table) -> Iterator[DataFile]:
    """Yield the data files of all snapshots that the table still has; some more than once."""
    seen: set[str] = set()
    for snapshot in table.snapshots():
        for manifest in snapshot.manifests(table.io):
            if manifest.content is ManifestContent.DATA and manifest.manifest_path not in seen:
                seen.add(manifest.manifest_path)
                for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True):
                    yield entry.data_file


def added_files(table: Table, snapshot: Snapshot) -> Iterator[DataFile]:
    """Yield the data files that a snapshot added."""
    for manifest in snapshot.manifests(table.io):
        if manifest.content is ManifestContent.DATA and manifest.added_snapshot_id == snapshot.snapshot_id:
            for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True):
                if entry.snapshot_id == snapshot.snapshot_id:
                    yield entry.data_file
