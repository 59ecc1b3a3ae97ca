"""The program of the catalog's process.

It answers one request after the other, and ends with the daemon: its channel closes then. A commit that was on its way
may still happen; whoever comes next finds its batch in the table.
"""

import os
import pickle
import resource
import signal
import socket
import sys
from collections.abc import Collection, Iterator
from contextlib import suppress
from itertools import islice
from queue import SimpleQueue
from threading import Thread
from typing import Any

from processor.domain.errors import ErrorClass, Failure
from processor.ledger.reader import batch_files, states_in_table
from processor.sandbox.channel import receive, send
from processor.tables.requests import (
    CatalogAnswer,
    CommitBatch,
    DescribeTable,
    ListDataFiles,
    SnapshotFacts,
    TableDescription,
    TableFile,
)
from processor.tables.settings import CatalogSettings

LONGEST_MESSAGE = 256 << 20
_AT_A_TIME = 1000
_PRIVATE = ("processor.",)


def main() -> None:
    """CatalogAnswer requests over the socket that the first argument names, until nobody asks any more."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    for each in (signal.SIGINT, signal.SIGTERM):  # of the daemon's group: it drains, and ends this process itself
        signal.signal(each, signal.SIG_IGN)
    settings, memory_mb = pickle.loads(receive(channel, LONGEST_MESSAGE))  # noqa: S301 - between our own two processes
    resource.setrlimit(resource.RLIMIT_DATA, (memory_mb << 20, memory_mb << 20))
    requests: SimpleQueue[Any] = SimpleQueue()
    Thread(target=_listen, args=(channel, requests), daemon=True).start()
    program = CatalogProgram(settings)
    while True:
        for answer in program.answers(requests.get()):
            send(channel, pickle.dumps(answer))


def _listen(channel: socket.socket, requests: "SimpleQueue[Any]") -> None:
    """Take requests while work goes on: when there is no daemon any more, nothing is to go on either."""
    with suppress(EOFError, OSError):
        while True:
            requests.put(pickle.loads(receive(channel, LONGEST_MESSAGE)))  # noqa: S301 - between our own two processes
    os._exit(0)


class CatalogProgram:
    """Does what is asked, with a catalog that is opened when it is first needed."""

    def __init__(self, settings: CatalogSettings) -> None:
        self._settings = settings
        self._opened: Any = None

    def answers(self, request: Any) -> Iterator[CatalogAnswer]:
        """Yield what becomes of a request. What goes wrong is an answer, too, and the catalog is opened anew."""
        try:
            yield from self._work(request)
        except MemoryError:
            text = "the catalog's process ran out of memory"
            yield CatalogAnswer(
                failure=_out("catalog.memory", text, "raise WORKER_MEMORY, or deliver smaller archives")
            )
            os._exit(1)
        except Exception as error:  # noqa: BLE001 - the border: whatever the library raises is told to the daemon
            self._opened = None
            yield CatalogAnswer(failure=failure_of(error))

    def _work(self, request: Any) -> Iterator[CatalogAnswer]:
        match request:
            case CommitBatch(batch):
                files = list(batch_files(self._settings.ledger, batch, self._settings.root))
                yield CatalogAnswer(self._committer.register(batch, files))
            case DescribeTable(name):
                yield CatalogAnswer(self._described(name))
            case ListDataFiles(name, ever):
                yield from self._listed(name, ever=ever)

    @property
    def _committer(self) -> Any:
        if self._opened is None:
            from processor.tables.commit import Committer  # noqa: PLC0415 - 150 MB, and a second
            from processor.tables.open_catalog import open_catalog, open_files  # noqa: PLC0415

            settings = self._settings
            self._opened = Committer(open_catalog(settings), open_files(settings), settings.location, self._known)
        return self._opened

    def _known(self, table: str) -> Collection[str]:
        return states_in_table(self._settings.ledger, table).keys()

    def _described(self, name: str) -> TableDescription | None:
        table = self._committer.table(name)
        if table is None:
            return None
        columns = tuple((field.name, str(field.field_type)) for field in table.schema().fields)
        snapshots = tuple(_facts(each) for each in table.snapshots())
        return TableDescription(table.location(), table.metadata_location, snapshots, columns)

    def _listed(self, name: str, *, ever: bool) -> Iterator[CatalogAnswer]:
        table = self._committer.table(name)
        files = iter(()) if table is None else _ever(table) if ever else _now(table)
        while some := tuple(islice(files, _AT_A_TIME)):
            yield CatalogAnswer(some, more=True)
        yield CatalogAnswer(())


def _ever(table: Any) -> Iterator[TableFile]:
    from processor.tables.inspect import files_ever  # noqa: PLC0415

    return (TableFile(each.file_path, each.file_size_in_bytes, each.record_count) for each in files_ever(table))


def _now(table: Any) -> Iterator[TableFile]:
    from processor.tables.commit import sources_of  # noqa: PLC0415
    from processor.tables.inspect import entries  # noqa: PLC0415

    summaries = {each.snapshot_id: each.summary for each in table.snapshots()}
    told: dict[int, Any] = {}
    for each in entries(table):
        snapshot, file = int(each.snapshot_id or 0), each.data_file
        if snapshot not in told:
            told[snapshot] = sources_of(summaries.get(snapshot))
        yield TableFile(file.file_path, file.file_size_in_bytes, file.record_count, *told[snapshot])


def _facts(snapshot: Any) -> SnapshotFacts:
    summary = snapshot.summary
    files, rows = (int(summary.get(f"total-{name}", 0)) for name in ("data-files", "records"))
    return SnapshotFacts(snapshot.snapshot_id, snapshot.timestamp_ms, str(summary.operation.value), files, rows)


def failure_of(error: Exception) -> Failure:
    """Return in an operator's words why a request was not done. It is tried again, whatever it is."""
    text = f"{type(error).__name__}: {error}".strip()[:1000]
    match type(error).__name__:
        case "CommitFailedException":
            return _out(
                "catalog.conflict", "other writers of the table were quicker again and again", "it is tried again"
            )
        case "UnauthorizedError" | "ForbiddenError" | "OAuthError" | "AuthorizationExpiredError":
            return _out("catalog.refused", text, "check CATALOG_TOKEN, CATALOG_CREDENTIAL and the rights they give")
        case "BadRequestError" | "NoSuchNamespaceError" | "ValidationError" | "ValidationException":
            return _out("catalog.refused", text, "check CATALOG_WAREHOUSE and the table's name")
        case _:
            return _out("catalog.unreachable", text, "check CATALOG_URI, and that the catalog and the store answer")


def _out(code: str, text: str, hint: str) -> Failure:
    return Failure(ErrorClass.OUTAGE, code, text, hint)
