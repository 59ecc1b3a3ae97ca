"""Errors for files that are not, or no longer, whole."""

import os

from processor.domain.errors import SOURCE_CHANGED, SOURCE_OPEN, DeliveryError, transient


def changed(relative_path: bytes) -> DeliveryError:
    """Return the error for a file that is no longer what was found: it will be found again."""
    text = f"{os.fsdecode(relative_path)!r} changed while it was being delivered"
    return transient(SOURCE_CHANGED, text, "it is taken again when it is whole")


def still_open(relative_path: bytes) -> DeliveryError:
    """Return the error for a file that somebody has open for writing."""
    text = f"{os.fsdecode(relative_path)!r} is open for writing"
    return transient(SOURCE_OPEN, text, "it is taken when its writer has closed it")
