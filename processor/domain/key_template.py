"""Templates of object keys, such as `orders/year={mtime:%Y}/{stem}.parquet`.

The fields are already keys (`keys.path_key`), so whatever they hold is escaped. Two sources may well yield one key: who
comes second is refused (see ledger.keys).
"""

import re
import string
from dataclasses import dataclass
from datetime import UTC, datetime

from processor.domain.keys import RESERVED

FIELDS = {
    "path": "the path below WATCH_PATH, of a member archive/member",
    "dir": "the path without its last part",
    "name": "the last part of the path",
    "stem": "the name without its last suffix",
    "ext": "the last suffix, with its dot",
    "feed": "the feed's name",
    "mtime": "when the file was changed last, in UTC, such as {mtime:%Y-%m-%d}",
    "sha256": "the file's digest, such as {sha256:.8}",
    "version": "a digest of the file and of how its feed reads it, such as {version:.16}",
}
_PARQUET = ".parquet"
_EMPTY_PARTS = re.compile(r"/{2,}")
_SAMPLE = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class KeyFields:
    """What a template may name; `path` is a key as `path_key` writes it."""

    path: str
    feed: str
    modified_ns: int
    sha256: str
    version: str = ""


def filled(template: str, fields: KeyFields, *, parquet: bool) -> str:
    """Return the key of an object.

    A Parquet's ends in `.parquet`, whether the template says so or not. Where it says so, any other object of the feed
    has its own suffix there.
    """
    directory, _, name = fields.path.rpartition("/")
    stem, dot, suffix = name.rpartition(".")
    stem, extension = (stem, dot + suffix) if stem else (name, "")
    key = template.format(
        path=fields.path,
        dir=directory,
        name=name,
        stem=stem,
        ext=extension,
        feed=fields.feed,
        mtime=datetime.fromtimestamp(fields.modified_ns // 1_000_000_000, UTC),
        sha256=fields.sha256,
        version=fields.version,
    )
    key = _EMPTY_PARTS.sub("/", key).lstrip("/")
    if template.endswith(_PARQUET) and not parquet:
        key = key.removesuffix(_PARQUET) + extension
    elif parquet and not key.endswith(_PARQUET):
        key += _PARQUET
    return f"%5F{key[1:]}" if key.split("/", 1)[0] in RESERVED else key


def names_version(template: str) -> bool:
    """Tell whether another content has another key, so that no object is ever overwritten by another."""
    return any(name == "version" for _text, name, *_rest in string.Formatter().parse(template))


def template_mistake(template: str) -> str:
    """Return what is wrong with a template; "" when nothing is."""
    known = ", ".join(f"{{{name}}}" for name in FIELDS)
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        return f"{error}: braces enclose one of {known}"
    for _text, name, _format, conversion in parts:
        if name is not None and (name not in FIELDS or conversion):
            return f"{{{name}{'!' + conversion if conversion else ''}}} is no field: one of {known}"
    names = {name for _text, name, _format, _conversion in parts if name}
    if not names & {"path", "name", "stem", "sha256", "version"}:
        return "every file would have the same key: name {path}, {name}, {stem}, {sha256} or {version}"
    return _mistake_of_text(template, [text for text, *_rest in parts])


def _mistake_of_text(template: str, texts: list[str]) -> str:
    try:
        sample = filled(
            template, KeyFields("a/b.csv", "feed", int(_SAMPLE.timestamp()) * 10**9, "0" * 64, "0" * 64), parquet=True
        )
    except (ValueError, KeyError, IndexError) as error:
        return f"{error}: a field's format is strftime's for mtime, and such as .8 for texts"
    if any(text.startswith("/") for text in texts[:1]) or template.endswith("/"):
        return "a key neither begins nor ends with a slash"
    if any(part in (".", "..") for part in sample.split("/")) or "\\" in sample or not sample.isprintable():
        return "a key has no parts . or .., no backslash and no control character"
    if template.split("/", 1)[0] in RESERVED:
        return f"{', '.join(RESERVED)} are the program's own"
    return ""
