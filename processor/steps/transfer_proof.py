"""The store's word against ours, never against itself: which digests are compared, and what counts as proof."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from processor.domain.uploads import Part, Protection, base64_digest, composite_md5, composite_sha256
from processor.store.errors import mismatch
from processor.store.s3 import Answer, Digest, Head, S3Store


@dataclass(frozen=True, slots=True)
class Proof:
    """Comparisons for the object that is stored under `key`."""

    store: S3Store
    key: str

    def md5(self, pieces: Iterable[memoryview]) -> bytes | None:
        """Return the MD5 of a body where the store protects by it."""
        if self.store.protection is Protection.SHA256:
            return None
        digest = hashlib.md5(usedforsecurity=False)
        for piece in pieces:
            digest.update(piece)
        return digest.digest()

    def compare(self, answer: Answer, digest: Digest) -> None:
        """Compare an answer to a body with its digest; raises DeliveryError `store.mismatch`.

        What the store does not tell, it was probed to check.
        """
        if digest.md5 is None:
            ours, theirs = base64_digest(digest.sha256), answer.sha256
        elif self.store.etag_is_md5:
            ours, theirs = digest.md5.hex(), answer.etag
        else:
            return
        if theirs is not None and theirs != ours:
            raise mismatch(f"store {self.key!r}", ours, theirs)

    def contradicted(self, answer: Answer, head: Head, parts: Sequence[Part]) -> bool:
        """Tell whether anything the store says of the object it just completed differs from ours."""
        if head.size_bytes != sum(part.size_bytes for part in parts):
            return True
        if self.store.protection is Protection.SHA256:
            expected = composite_sha256(parts)
            return any(theirs not in (None, expected) for theirs in (answer.sha256, head.sha256))
        ours = composite_md5(parts) or ""
        return self.store.etag_is_md5 and any(theirs not in ("", ours) for theirs in (answer.etag, head.etag))

    def proven(self, head: Head, parts: Sequence[Part]) -> bool:
        """Tell whether the object consists of exactly these parts: by what the store says, else by reading it."""
        if not parts or head.size_bytes != sum(part.size_bytes for part in parts):
            return False
        if head.sha256 is not None:
            return head.sha256 == composite_sha256(parts)
        if head.etag and self.store.etag_is_md5:
            return head.etag == composite_md5(parts)
        return _read_in_parts(self.store.get(self.key), parts) == [part.sha256 for part in parts]

    def composite(self, parts: Sequence[Part]) -> str:
        """Return the name and value of the checksum of an object made of parts."""
        if self.store.protection is Protection.SHA256:
            return f"sha256:{composite_sha256(parts)}"
        return f"md5:{composite_md5(parts)}"

    def of_body(self, digest: Digest) -> str:
        """Return the name and value of the checksum of an object stored by one PUT."""
        return f"sha256:{base64_digest(digest.sha256)}" if digest.md5 is None else f"md5:{digest.md5.hex()}"


def _read_in_parts(pieces: Iterable[bytes], parts: Sequence[Part]) -> list[str]:
    """Return the SHA-256 of each stretch of the bytes that is as long as the part in its place."""
    digests = [hashlib.sha256() for _ in parts]
    sizes = [part.size_bytes for part in parts]
    at = 0
    for piece in pieces:
        rest = memoryview(piece)
        while rest and at < len(sizes):
            taken = rest[: sizes[at]]
            digests[at].update(taken)
            sizes[at] -= len(taken)
            rest = rest[len(taken) :]
            at += sizes[at] == 0
    return [digest.hexdigest() for digest in digests]
