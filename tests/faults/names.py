"""Which name stands for which file, in the ledger and in the store: the rules written down a second time."""

import codecs
import re

DATA = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".xml")
_CONTAINERS = (".zip", ".tar")
_PACKED = (".gz", ".bz2", ".xz", ".zst")
_TAR_SHORT = (".tgz", ".tbz2", ".txz", ".tzst")
_MAGIC = {
    ".gz": (b"\x1f\x8b",),
    ".bz2": (b"BZh",),
    ".xz": (b"\xfd7zXZ\0",),
    ".zst": (b"\x28\xb5\x2f\xfd",),
    ".zip": (b"PK\x03\x04", b"PK\x05\x06"),
}
_SHORT = {".tgz": ".gz", ".tbz2": ".bz2", ".txz": ".xz", ".tzst": ".zst"}
_BINARY = (b"\x89PNG", b"PK\x03\x04", b"\x1f\x8b", b"\x7fELF")


def _percent(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return "".join(f"%{byte:02X}" for byte in error.object[error.start : error.end]), error.end


codecs.register_error("tests.percent", _percent)


def written(raw: bytes) -> str:
    """Return a path as ledger and keys write it."""
    guarded = re.sub(rb"%(?=[0-9A-F][0-9A-F])", b"%25", raw).replace(b"\\", b"%5C")
    return guarded.decode("utf-8", "tests.percent")


def suffix_of(name: bytes) -> str:
    """Return the suffix that says what a file claims to be: `.csv`, `.zip`, `.tar.gz`, `.gz` ...; "" for none."""
    lower = name.rpartition(b"/")[2].lower().decode("utf-8", "replace")
    candidates = [*(f".tar{packed}" for packed in _PACKED), *_TAR_SHORT, *_CONTAINERS, *_PACKED, *DATA]
    return next((suffix for suffix in candidates if lower.endswith(suffix) and len(lower) > len(suffix)), "")


def kind_of(name: bytes) -> tuple[str, str]:
    """Return the suffix and, for a packed single file, that of what is in it."""
    suffix = suffix_of(name)
    return suffix, suffix_of(name[: -len(suffix)]) if suffix in _PACKED else ""


def real_suffix(name: bytes, data: bytes) -> str:
    """Return the suffix if the content does not speak against it; "" for what is delivered as it is."""
    suffix = suffix_of(name)
    if not suffix or not data:
        return ""
    if suffix in DATA:
        return "" if data.startswith(_BINARY) else suffix
    if suffix == ".tar":
        return suffix if data[257:262] == b"ustar" else ""
    magic = _SHORT.get(suffix) or (suffix if suffix == ".zip" else "." + suffix.rpartition(".")[2])
    return suffix if data.startswith(_MAGIC[magic]) else ""


def is_tar(suffix: str) -> bool:
    return suffix.startswith(".tar") or suffix in _TAR_SHORT
