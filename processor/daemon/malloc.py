"""Keep resident memory small: settings for glibc's malloc.

Constants are those of glibc's malloc.h; with another C library nothing happens.
"""

import ctypes
import gc
import sys
from contextlib import suppress

_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
_THRESHOLD_BYTES = 256 << 10


def begin_small() -> None:
    """Set malloc up, before there are threads; let nobody look for garbage until `settle`.

    Nearly all that starting makes stays: looking through it again and again is wasted. Buffers come from mmap and so go
    back to the kernel when they are freed (the threshold is fixed: by default it grows with the largest one freed);
    threads share two arenas instead of having eight for each processor.
    """
    gc.disable()
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(_M_MMAP_THRESHOLD, _THRESHOLD_BYTES)
        libc.mallopt(_M_ARENA_MAX, 2)


def settle() -> None:
    """Give back what starting needed: parsed models, settings, answers."""
    gc.enable()
    gc.collect()
    gc.freeze()
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def without_tables() -> None:
    """Keep `rich` out of this process, which draws no table: 5 MB. Before anything imports it."""
    sys.modules.setdefault("rich", None)  # type: ignore[arg-type]
