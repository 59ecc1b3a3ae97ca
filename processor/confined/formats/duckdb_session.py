"""This process's one DuckDB connection.

A new connection costs 22 ms for a 10 KB CSV, a kept one 6. What DuckDB reads and writes is handed to it as open
descriptors (`/dev/fd/N`), so no path of a stranger ever reaches SQL. Its own `enable_external_access=false` can not be
used with a kept connection: `allowed_paths` are resolved when they are set, and may not be changed afterwards (DuckDB
2.0). The kernel does this work instead: see sandbox.confine.
"""

import atexit
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import duckdb

from processor.domain.conversion import ConversionOptions
from processor.domain.errors import refused

_SETTINGS = (
    "enable_progress_bar=false",
    "temp_directory=''",
    "autoinstall_known_extensions=false",
    "autoload_known_extensions=false",
    "allow_community_extensions=false",
    "TimeZone='UTC'",
)

OUT_OF_MEMORY = "conversion.memory"

# What a statement raises. The binding can not decode the message of an error that quotes half a character.
FAILURES = (duckdb.Error, UnicodeDecodeError)

# Statements that come again, for files with the same columns, are kept as DuckDB has parsed them: parsing takes a fifth
# of what it takes to read and write 200 rows. Those of wide tables would fill the memory.
_MOST_KEPT = 64
_LONGEST_KEPT = 8 << 10

_ASYNC_THREADS = 8  # DuckDB's default

_connection: duckdb.DuckDBPyConnection | None = None
_threadless_in: int | None = None  # the process that opened it for its children
_kept: dict[str, duckdb.Statement] = {}
_limits: tuple[int, int] | None = None


def connection(options: ConversionOptions) -> duckdb.DuckDBPyConnection:
    """Return the connection, with this conversion's thread count and memory limit; its time zone is UTC."""
    global _limits  # noqa: PLW0603 - one connection a process is the point
    if _connection is None:
        _open({})
    assert _connection is not None
    if _threadless_in not in (None, os.getpid()):
        _give_threads(_connection)
    limits = (options.threads, options.memory_limit_mb)
    if limits != _limits:
        _connection.execute(f"SET threads={int(options.threads)}")
        _connection.execute(f"SET preserve_insertion_order={not keeps_order_unasked(options)}")
        _connection.execute(f"SET memory_limit='{int(options.memory_limit_mb)}MB'")
        _limits = limits
    return _connection


def open_to_be_forked() -> None:
    """Open the connection without any thread, so that children of this process have it: with threads it hangs there."""
    global _threadless_in  # noqa: PLW0603
    _open({"threads": 1, "async_threads": 0})
    _threadless_in = os.getpid()


def _open(config: dict[str, Any]) -> None:
    global _connection  # noqa: PLW0603
    _connection = duckdb.connect(":memory:", config=config)
    for setting in _SETTINGS:
        _connection.execute(f"SET {setting}")
    atexit.register(close)


def _give_threads(forked: duckdb.DuckDBPyConnection) -> None:
    """Let the connection that a child was born with be like one that it had opened."""
    global _threadless_in  # noqa: PLW0603
    forked.execute(f"SET async_threads={_ASYNC_THREADS}")
    _threadless_in = None


def run(sql: str, options: ConversionOptions, values: Sequence[str] = ()) -> duckdb.DuckDBPyConnection:
    """Execute one statement, `values` bound to $1, $2 ...; its answer is fetched from what is returned."""
    ours = connection(options)
    if len(sql) > _LONGEST_KEPT:
        return ours.execute(sql, values) if values else ours.execute(sql)
    statement = _kept.pop(sql, None)
    if statement is None:
        (statement,) = ours.extract_statements(sql)
        if len(_kept) >= _MOST_KEPT:
            del _kept[next(iter(_kept))]
    _kept[sql] = statement  # used last, dropped last
    return ours.execute(statement, values) if values else ours.execute(statement)


def keeps_order_unasked(options: ConversionOptions) -> bool:
    """Tell whether rows stay in order without DuckDB being asked to see to it: a single thread has only one order.

    Only when it is not asked does DuckDB end row groups by their size in bytes.
    """
    return options.threads == 1


@contextmanager
def bounded(options: ConversionOptions) -> Iterator[None]:
    """Turn DuckDB's running out of memory into a DeliveryError (`conversion.memory`) that names the setting."""
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise refused(
            OUT_OF_MEMORY,
            f"the table needs more than {options.memory_limit_mb} MB of memory",
            "raise WORKER_MEMORY, of which DuckDB gets a part",
        ) from error


def interrupt() -> None:
    """End the statement that another thread has this connection execute, if it does: duckdb.InterruptException."""
    if _connection is not None:
        _connection.interrupt()


def close() -> None:
    """Close the connection; the next use opens a new one. A leaked one makes DuckDB print pages at exit."""
    global _connection, _limits  # noqa: PLW0603
    if _connection is not None:
        _kept.clear()
        _connection.close()
        _connection = None
        _limits = None
