"""Kinds of values that settings take, each with its check.

pydantic puts the setting's name, its value and its meaning around the text of a ValueError.
"""

import codecs
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator

from processor.config.choices import EMBEDDED, LogLevel
from processor.config.environment import absolute
from processor.domain.conversion import Compression
from processor.domain.key_template import template_mistake
from processor.domain.notices import CHOICES
from processor.domain.uploads import SMALLEST_PART_BYTES

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_LARGEST_PORT = 65_535
_S3_MOST_TAGS = 10  # "Categorizing your objects using tags"


def _split(value: object) -> object:
    return tuple(value.split(",")) if isinstance(value, str) else value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def _encoding(value: str) -> str:
    if value and not _declares_text(value):
        raise ValueError("must be the name of an encoding that is not Unicode, such as cp1252 or shift_jis")
    return value


def _declares_text(encoding: str) -> bool:
    """Tell whether a text can be declared to be in `encoding`: Unicode is found without; some are no text."""
    try:
        name = codecs.lookup(encoding).name
        "".encode(name)
    except LookupError:
        return False
    return not name.startswith(("utf", "idna", "punycode", "raw", "unicode", "undefined"))


def _url(value: str) -> str:
    if value not in ("", EMBEDDED) and not value.startswith(("http://", "https://")):
        raise ValueError("must be `embedded`, empty for AWS, or begin with http:// or https://")
    place = urlsplit(value)
    if value not in ("", EMBEDDED) and (not place.hostname or place.query or place.fragment or "?" in value):
        raise ValueError("must be a scheme, a host and perhaps a port, such as https://host:9000, and nothing behind")
    if place.port == 0 or place.username is not None:
        raise ValueError(
            "must hold no port 0, no name and no password: these go into S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY"
        )
    return value.rstrip("/")


def _address(value: str) -> str:
    if not value:
        return value
    host, colon, port = value.rpartition(":")
    if not (port.isascii() and port.isdigit() and int(port) <= _LARGEST_PORT) or (colon and not host):
        raise ValueError("must be host:port, such as 127.0.0.1:9464; all interfaces are written 0.0.0.0:9464")
    return value if host else f"127.0.0.1:{port}"


def _receiver(value: str) -> str:
    place = urlsplit(value)
    if value and (place.scheme not in ("http", "https") or not place.hostname or place.username is not None):
        raise ValueError("must begin with http:// or https:// and a host, without a name and a password")
    return value


def _events(value: str) -> str:
    if unknown := [word for word in value.split(",") if word not in CHOICES]:
        raise ValueError(f"knows no {', '.join(map(repr, unknown))}: {', '.join(CHOICES)}")
    return value


def _tags(value: str) -> str:
    pairs = [tag.partition("=") for tag in value.split("&") if tag]
    if not all(name and equals for name, equals, _ in pairs):
        raise ValueError("must be pairs such as team=data, joined by &")
    if len({name for name, _, _ in pairs}) < len(pairs) or len(pairs) > _S3_MOST_TAGS:
        raise ValueError(f"must be at most {_S3_MOST_TAGS} pairs of different names")
    return value


def _prefix(value: str) -> str:
    if value.startswith("/") or "//" in value:
        raise ValueError("must not begin with a slash nor hold two in a row")
    return value if not value or value.endswith("/") else f"{value}/"


def _scheduler(value: str) -> str:
    kind, _, rest = value.partition("://")
    host = rest.rpartition(":")[0].strip("[]")
    if value and kind != "tls" and not (kind == "tcp" and host in _LOOPBACK):
        raise ValueError("must begin with tls://, or with tcp:// on loopback: whoever reaches it may run programs")
    return value


def _part(value: int) -> int:
    if 0 < value < SMALLEST_PART_BYTES:
        raise ValueError(f"must be 0 or at least {SMALLEST_PART_BYTES}: S3 takes no smaller part")
    return value


def _pairs(value: str) -> str:
    for pair in filter(None, value.split(",")):
        here, equals, there = pair.partition("=")
        if not (equals and here.startswith("/") and there.startswith("/")):
            raise ValueError("must be pairs of absolute paths, such as /data=/mnt/data, separated by commas")
    return value


def _template(value: str) -> str:
    if value and (mistake := template_mistake(value)):
        raise ValueError(mistake)
    return value


Texts = Annotated[tuple[str, ...], BeforeValidator(_split)]
Encoding = Annotated[str, AfterValidator(_encoding)]
Level = Annotated[LogLevel, BeforeValidator(_lower)]
Codec = Annotated[Compression, BeforeValidator(_upper)]
Endpoint = Annotated[str, AfterValidator(_url)]
Listen = Annotated[str, AfterValidator(_address)]
Receiver = Annotated[str, AfterValidator(_receiver)]
EventNames = Annotated[str, AfterValidator(_events)]
Tags = Annotated[str, AfterValidator(_tags)]
Prefix = Annotated[str, AfterValidator(_prefix)]
Scheduler = Annotated[str, AfterValidator(_scheduler)]
PartSize = Annotated[int, AfterValidator(_part)]
PathPairs = Annotated[str, AfterValidator(_pairs)]
KeyTemplate = Annotated[str, AfterValidator(_template)]
AbsolutePath = Annotated[Path, AfterValidator(absolute)]
