"""Name the pool's semaphores, so that leftovers can be removed."""

import os
from contextlib import suppress
from multiprocessing.process import current_process
from pathlib import Path

_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where sem_open(3) keeps them: glibc's place, not ours


def name_semaphores(owner: str) -> None:
    """Give those made from now on names of `owner`'s, and remove those that an earlier process of this owner left.

    multiprocessing's resource tracker does so, unless it is killed, too. The caller makes sure that there is no other
    process of this owner; its workers may still be ending, and keep what they have opened.
    """
    prefix = f"processor-{owner}"
    config = current_process()._config  # type: ignore[attr-defined]  # noqa: SLF001 - the only way to name them
    config["semprefix"] = f"/{prefix}"
    for left in _SHARED_MEMORY.glob(f"sem.{prefix}-*"):
        with suppress(OSError):
            os.unlink(left)
