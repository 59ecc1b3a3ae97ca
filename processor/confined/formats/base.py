"""The seam between formats and everything that calls them."""

import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from processor.domain.conversion import Column, ConversionOptions, DataFormat, Facts, Receipt
from processor.domain.errors import Failure, refused
from processor.streams.output import Output
from processor.streams.source import Source


@dataclass(frozen=True, slots=True)
class TablePlan:
    """How a file would be read: facts, columns, and why it would be refused."""

    facts: Facts
    columns: tuple[Column, ...]
    refusal: Failure | None = None


class Convert(Protocol):
    """Write `source` as Parquet and return the receipt.

    Raises DeliveryError for what can not be read with certainty.
    """

    def __call__(
        self, source: Source, data_format: DataFormat, options: ConversionOptions, output: Output, metadata: Facts
    ) -> Receipt:
        """Convert."""
        ...


@dataclass(frozen=True, slots=True)
class Format:
    """One format: `plan` reads all of a source and writes nothing, `convert` writes it.

    Whether a file's beginning confirms its name is asked beside the credentials, too: `detect` in domain/detection.
    `honours` are the keys of a declaration that it obeys. One that says more is refused, not overlooked.
    """

    plan: Callable[[Source, DataFormat, ConversionOptions], TablePlan]
    convert: Convert
    honours: frozenset[str] = frozenset()

    def check(self, options: ConversionOptions) -> None:
        """Raise DeliveryError `feed.not-honoured` when something is declared that the format does not obey."""
        declared = options.declaration
        left = frozenset() if declared is None else declared.keys - self.honours - {"empty_file"}
        if declared is not None and left:
            names = ", ".join(sorted(left))
            text = f"feed {declared.feed!r} says {names}, which files of this format are not read by"
            raise refused("feed.not-honoured", text, "leave it out, or let another feed match the file")


_KINDRED = {DataFormat.TSV: DataFormat.CSV, DataFormat.JSONL: DataFormat.JSON}


def folder_of(data_format: DataFormat) -> str:
    """Return the name of the package that converts the format: its own, or that of its kin."""
    return _KINDRED.get(data_format, data_format).value


FORMAT_MODULES = tuple(dict.fromkeys(f"{__package__}.{folder_of(each)}.convert" for each in DataFormat))


def fast_paths() -> bool:
    """Tell whether optional fast paths (`fast/`) are on. Tests turn them off by PROCESSOR_FAST_PATHS=off."""
    return os.environ.get("PROCESSOR_FAST_PATHS") != "off"


def format_of(data_format: DataFormat) -> Format:
    """Return the format's functions; its module is imported at the first use, since a worker loads what it needs."""
    module = importlib.import_module(f"{__package__}.{folder_of(data_format)}.convert")
    found: Format = module.FORMAT
    return found
