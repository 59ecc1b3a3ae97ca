"""Digests of a file and its parts, in one reading."""

import hashlib
from concurrent.futures import ThreadPoolExecutor

from processor.domain.uploads import FileDigests
from processor.store.body import FilePart

# So much stays in the processor's cache between reading and hashing: 0.9 s a GB instead of 1.3.
_CACHED_BYTES = 128 << 10
# Reading this much is worth more than handing it to another thread costs.
_PIECE_BYTES = 1 << 20


def sha256_of(fd: int, size_bytes: int) -> str:
    """Return the SHA-256 (hex) of the first `size_bytes` of an open file. Raises what `FilePart` raises."""
    digest = hashlib.sha256()
    for piece in FilePart(fd, 0, size_bytes).pieces(_CACHED_BYTES):
        digest.update(piece)
    return digest.hexdigest()


def digests_of(fd: int, size_bytes: int, part_size_bytes: int) -> FileDigests:
    """Return the digests of the first `size_bytes` of an open file and of its parts. Raises what `FilePart` raises.

    Each piece is read once and given to both digests, by two threads side by side: hashlib holds no lock meanwhile.
    """
    whole = hashlib.sha256()
    parts = bytearray()
    with ThreadPoolExecutor(1, thread_name_prefix="digest") as beside:
        for offset in range(0, size_bytes, part_size_bytes):
            part = hashlib.sha256()
            for piece in FilePart(fd, offset, min(part_size_bytes, size_bytes - offset)).pieces(_PIECE_BYTES):
                other = beside.submit(part.update, piece)
                whole.update(piece)
                other.result()
            parts += part.digest()
    return FileDigests(whole.hexdigest(), part_size_bytes, bytes(parts))
