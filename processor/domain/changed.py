"""The error for a file that changed during its delivery."""

import os

from processor.domain.errors import SOURCE_CHANGED, DeliveryError, ErrorClass, Failure


def changed(relative_path: bytes) -> DeliveryError:
    """Return the error for a file that is no longer what was found: it will be found again."""
    shown = os.fsdecode(relative_path)
    text = f"{shown!r} changed while it was being delivered"
    return DeliveryError(Failure(ErrorClass.TRANSIENT, SOURCE_CHANGED, text, "it is taken again when it is whole"))
