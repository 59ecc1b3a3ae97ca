"""Compare the store's answers with our own digests.

That an object is made of the bytes whose SHA-256 we know is a chain with a witness for every link:

- The file, read once, gave the digest of the whole and of its parts (`FileDigests`); a stream's bytes pass through our
  hands and are digested there.
- Each part is sent with its digest, and the store was seen to refuse a wrong one (the probe). So a part that it takes
  has our bytes, also when a file changed under our hands in between, and what it then tells of the part, its ETag,
  is the name of our bytes. A store that checks MD5 only gets that; a file's part is then read, and compared with its
  SHA-256, before.
- The completed object's size, and its checksum of the parts' checksums or ETag of the parts' ETags, are compared with
  what follows from the parts.

A `200` that names nothing of this proves nothing: then the store is asked for the object, and has to know its size and
its metadata, or its very bytes.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from processor.domain.errors import SOURCE_CHANGED, DeliveryError, transient
from processor.domain.uploads import Part, Protection, base64_digest, composite_md5, composite_sha256
from processor.store.answers import Answer, Head
from processor.store.body import FilePart
from processor.store.errors import mismatch, no_etag
from processor.store.s3 import Digest, S3Store


@dataclass(frozen=True, slots=True)
class Proof:
    """Comparisons for the object that is stored under `key`."""

    store: S3Store
    key: str

    def digest_of_object(self, view: memoryview, sha256: bytes) -> Digest:
        """Return what a whole object in memory is sent with: also its MD5, unless the answer repeats its SHA-256."""
        if self.store.protection is Protection.SHA256 and self.store.tells_sha256:
            return Digest(sha256)
        return Digest(sha256, hashlib.md5(view, usedforsecurity=False).digest())

    def digest_of_part(self, body: memoryview | FilePart, sha256: bytes) -> Digest:
        """Return what a part is sent with. Raises DeliveryError `source.changed`: it has not this SHA-256 any more."""
        if self.store.protection is not Protection.MD5:
            return Digest(sha256)  # whether the bytes have it is the store's to say, which receives them
        actual, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        for piece in body if isinstance(body, FilePart) else (body,):
            actual.update(piece)
            md5.update(piece)
        if actual.digest() != sha256:
            raise self._changed()
        return Digest(sha256, md5.digest())

    def see_unchanged(self, body: memoryview | FilePart, sha256: bytes) -> None:
        """Tell the two reasons apart for which a store refuses a part: raises `source.changed` when it is the file."""
        if isinstance(body, FilePart) and body.sha256() != sha256:
            raise self._changed()

    def _changed(self) -> DeliveryError:
        text = f"the file changed while it was delivered as {self.key!r}"
        return transient(SOURCE_CHANGED, text, "it is taken again")

    def names_body(self, answer: Answer, digest: Digest) -> bool:
        """Tell whether an answer to a body names it, by checksum or ETag; it is the store's word that it has it.

        Raises DeliveryError `store.mismatch` when it names another.
        """
        if answer.sha256 is not None:
            ours, theirs = base64_digest(digest.sha256), answer.sha256
        elif digest.md5 is not None and self.store.etag_is_md5 and answer.etag:
            ours, theirs = digest.md5.hex(), answer.etag
        else:
            return False
        if theirs != ours:
            raise mismatch(f"store {self.key!r}", ours, theirs)
        return True

    def see_part(self, answer: Answer, digest: Digest) -> None:
        """Compare an answer to a part; raises DeliveryError `store.mismatch`, `store.no-etag`.

        What names the part may be the ETag alone, which says nothing of its bytes: then the object as a whole does.
        """
        if not answer.etag:
            raise no_etag(f"store a part of {self.key!r}")
        self.names_body(answer, digest)

    def names_whole(self, said: Answer | Head, parts: Sequence[Part]) -> bool:
        """Tell whether what the store says of a completed object names our parts; what it does not say is no."""
        if said.sha256 is not None:
            return said.sha256 == composite_sha256(parts)
        return self.store.etag_is_md5 and bool(said.etag) and said.etag == composite_md5(parts)

    def contradicted(self, answer: Answer, head: Head, parts: Sequence[Part]) -> bool:
        """Tell whether anything the store says of the object it just completed differs from ours."""
        if head.size_bytes != sum(part.size_bytes for part in parts):
            return True
        if self.store.protection is Protection.SHA256:
            expected = composite_sha256(parts)
            return any(theirs not in (None, expected) for theirs in (answer.sha256, head.sha256))
        ours = composite_md5(parts) or ""
        return self.store.etag_is_md5 and any(theirs not in ("", ours) for theirs in (answer.etag, head.etag))

    def proven_body(self, head: Head, size_bytes: int, digest: Digest) -> bool:
        """Tell whether the store says of the object that it is this body; what it does not say is no proof."""
        if head.size_bytes != size_bytes:
            return False
        if head.sha256 is not None:
            return head.sha256 == base64_digest(digest.sha256)
        return digest.md5 is not None and self.store.etag_is_md5 and head.etag == digest.md5.hex()

    def proven(self, head: Head, parts: Sequence[Part]) -> bool:
        """Tell whether the object consists of exactly these parts: by what the store says, else by reading it."""
        if not parts or head.size_bytes != sum(part.size_bytes for part in parts):
            return False
        if head.sha256 is not None or (head.etag and self.store.etag_is_md5):
            return self.names_whole(head, parts)
        return _read_in_parts(self.store.get(self.key), parts) == [part.sha256 for part in parts]

    def read(self, size_bytes: int, sha256: bytes) -> bool:
        """Tell whether the stored object has these bytes, by reading it: for a store that says nothing of it."""
        return _read_in_parts(self.store.get(self.key), [Part(1, size_bytes, "", "")]) == [sha256.hex()]

    def composite(self, parts: Sequence[Part]) -> str:
        """Return the name and value of the checksum of an object made of parts."""
        if self.store.protection is Protection.MD5:
            return f"md5:{composite_md5(parts)}"
        return f"sha256:{composite_sha256(parts)}"

    def of_body(self, digest: Digest) -> str:
        """Return the name and value of the checksum of an object stored by one PUT."""
        if digest.md5 is None or self.store.protection is Protection.SHA256:
            return f"sha256:{base64_digest(digest.sha256)}"
        return f"md5:{digest.md5.hex()}"


def _read_in_parts(pieces: Iterable[bytes], parts: Sequence[Part]) -> list[str]:
    """Return the SHA-256 of each stretch of the bytes that is as long as the part in its place.

    Of more bytes than that, no digest: it is another object, and may have no end.
    """
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
        if rest:
            return []
    return [digest.hexdigest() for digest in digests]
