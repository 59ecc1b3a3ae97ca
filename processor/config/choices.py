"""Closed sets that settings choose from."""

import os
from enum import StrEnum

EMBEDDED = "embedded"


class LogLevel(StrEnum):
    """From what severity on lines are written."""

    DEBUG = "debug"
    INFO = "info"
    WARN = "warn"
    ERROR = "error"


class EngineChoice(StrEnum):
    """Where the heavy work is done."""

    LOCAL = "local"
    DASK = "dask"


class CatalogType(StrEnum):
    """Kinds of catalogs that know the tables of feeds."""

    NONE = "none"
    SQL = "sql"
    REST = "rest"
    GLUE = "glue"


class SandboxMode(StrEnum):
    """What a worker that lacks a protection means."""

    REQUIRE = "require"
    WARN = "warn"


class WorkerRenewal(StrEnum):
    """How long one worker serves: one that a file has taken over reads what it may read."""

    FILE = "file"
    DIRECTORY = "directory"
    NEVER = "never"

    def part_of(self, relative_path: bytes) -> str:
        """Return what the worker that reads this file may read, below WATCH_PATH; "": all of it."""
        directory, nested, _name = relative_path.partition(b"/")
        match self:
            case WorkerRenewal.FILE:
                return os.fsdecode(relative_path)
            case WorkerRenewal.DIRECTORY:
                return os.fsdecode(directory) if nested else ""
            case WorkerRenewal.NEVER:
                return ""
