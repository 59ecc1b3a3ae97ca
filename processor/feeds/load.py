"""Read the file of feeds; report every mistake at once."""

import difflib
import hashlib
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel, ValidationError

from processor.config.choices import CatalogType
from processor.config.environment import ConfigurationError
from processor.config.settings import Settings
from processor.domain.declarations import (
    ColumnDeclaration,
    ColumnsDeclaration,
    CsvDeclaration,
    Declaration,
    JsonDeclaration,
    XmlDeclaration,
)
from processor.domain.feeds import AfterUpload, Feed, FeedDelivery, Feeds, FeedTable
from processor.domain.key_template import names_version
from processor.feeds.lines import Place, TomlLines
from processor.feeds.model import ColumnsSection, CsvSection, DeliverySection, FeedModel, FeedsModel
from processor.feeds.patterns import path_pattern

# What decides what becomes of a file; a change of anything else is no other declaration.
_DECIDING = {"format", "empty_file", "csv", "json_", "xml", "columns", "delivery", "table"}
_OF_NO_MATTER = {"delivery": {"after_upload", "tags", "storage_class"}, "table": {"partition"}}
# Where a feed with a table says nothing of keys: another content never has the key of an earlier one.
_KEY_OF_TABLES = "{path}.{version:.16}.parquet"


def load_feeds(settings: Settings) -> Feeds:
    """Return the feeds that the settings name. Raises ConfigurationError that tells every mistake, a line each."""
    feeds = Feeds() if settings.feeds is None else read_feeds(settings.feeds)
    for feed in feeds.feeds:
        if feed.delivery.after_upload is AfterUpload.MOVE and settings.after_upload_directory is None:
            text = f"{settings.feeds}: feed {feed.name!r}: after_upload = 'move' needs AFTER_UPLOAD_DIRECTORY"
            raise ConfigurationError(text)
        if feed.table is not None and settings.catalog is None:
            text = "has a table: set CATALOG_TYPE to sql, rest or glue, or to none to deliver without it"
            raise ConfigurationError(f"{settings.feeds}: feed {feed.name!r} {text}")
    return replace(
        feeds,
        feeds=tuple(_with_settings(feed, settings) for feed in feeds.feeds),
        outside=FeedDelivery(key=settings.key_template),
    )


def _with_settings(feed: Feed, settings: Settings) -> Feed:
    """Return the feed with what the settings say of keys where it says nothing."""
    key = feed.delivery.key or settings.key_template
    if feed.table is not None and not names_version(key):
        key = _KEY_OF_TABLES
    table = None if settings.catalog is CatalogType.NONE else feed.table
    return replace(feed, delivery=replace(feed.delivery, key=key), table=table)


def read_feeds(path: Path) -> Feeds:
    """Return the feeds of a file. Raises ConfigurationError."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ConfigurationError(f"FEEDS={path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is no UTF-8 (byte {error.start}): save it as UTF-8") from error
    return parse_feeds(text, str(path))


def parse_feeds(text: str, name: str) -> Feeds:
    """Return the feeds of a document; `name` is put before every mistake. Raises ConfigurationError."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{name}: this is no TOML: {error}") from error
    try:
        # By way of JSON, since pydantic then takes arrays for tuples and texts for enumerations, and nothing else.
        model = FeedsModel.model_validate_json(orjson.dumps(document, default=str))
    except ValidationError as error:
        lines = TomlLines(text)
        mistakes = {_mistake(name, lines, document, details) for details in error.errors(include_url=False)}
        raise ConfigurationError("\n".join(told for _line, told in sorted(mistakes))) from error
    return Feeds(tuple(_feed(feed) for feed in model.feed))


def _feed(model: FeedModel) -> Feed:
    declaration = Declaration(
        feed=model.name,
        digest=_digest(model),
        csv=_csv(model.csv),
        json=JsonDeclaration() if model.json_ is None else JsonDeclaration(model.json_.records),
        xml=XmlDeclaration() if model.xml is None else XmlDeclaration(model.xml.row, model.xml.lists),
        columns=None if model.columns is None else _columns(model.columns),
        empty_file=model.empty_file,
    )
    table = None if model.table is None else FeedTable(model.table.name, model.table.partition)
    match = tuple(map(path_pattern, model.match))
    delivery = FeedDelivery() if model.delivery is None else _delivery(model.delivery)
    return Feed(model.name, match, model.format, declaration, delivery, table)


def _csv(section: CsvSection | None) -> CsvDeclaration:
    return CsvDeclaration(
        **{} if section is None else {name: getattr(section, name) for name in section.model_fields_set}
    )


def _columns(table: ColumnsSection) -> ColumnsDeclaration:
    columns = tuple(
        ColumnDeclaration(
            name=column.rename or name,
            type=column.type,
            format=column.format,
            source=name if column.rename else "",
            required=column.required,
            true=column.true,
            false=column.false,
        )
        for name, column in table.columns.items()
    )
    return ColumnsDeclaration(columns, table.on_missing, table.on_extra, table.on_surprise)


def _delivery(table: DeliverySection) -> FeedDelivery:
    return FeedDelivery(
        key=table.key,
        prefix=table.prefix,
        tags=tuple(table.tags.items()),
        storage_class=table.storage_class,
        after_upload=table.after_upload,
        keep_raw=table.keep_raw,
    )


def _digest(model: FeedModel) -> str:
    """Return the SHA-256 of what the feed says of reading and keys; columns count in their order."""
    said = model.model_dump(mode="json", include=_DECIDING, exclude=_OF_NO_MATTER, exclude_defaults=True)
    said = {section: keys for section, keys in said.items() if keys}  # a section that says nothing is none
    if model.columns is not None:
        said["columns"] = [[name, value] for name, value in said["columns"].items()]
    return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _mistake(name: str, lines: TomlLines, document: dict[str, Any], details: Any) -> tuple[int, str]:
    """Return line and text of a mistake: where, what stands there, what would be right."""
    place: Place = tuple(details["loc"])
    line = lines.of(place)
    return line, f"{name}:{line}: {_words(place, document)}: {_reason(place, details)}"


def _words(place: Place, document: dict[str, Any]) -> str:
    """Return the place as an operator says it: the feed by its name, then the keys."""
    value: Any = document
    words: list[str] = []
    for part in place:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            value = None
        if isinstance(part, str) and not (len(words) == 1 and words[0].startswith("feed ")):
            words.append(part)
        elif isinstance(part, str):
            words = [words[0], part]
        elif words == ["feed"]:
            called = value.get("name") if isinstance(value, dict) else None
            words = [f"feed {called!r}" if called else f"feed number {part + 1}"]
    return f"{words[0]}: {'.'.join(words[1:])}" if len(words) > 1 else "".join(words) or "the file"


def _reason(place: Place, details: Any) -> str:
    text = str(details["msg"]).removeprefix("Value error, ")
    given = details["input"]
    match details["type"]:
        case "extra_forbidden":
            return f"is no key here{_nearest(place)}"
        case "missing":
            return "is missing"
        case "value_error" if not isinstance(given, str | int | float | bool):
            return text
        case _:
            return f"{given!r}: {text}"


def _nearest(place: Place) -> str:
    """Return the key that was probably meant, or all there are."""
    model: type[BaseModel] | None = FeedsModel
    for part in place[:-1]:
        if isinstance(part, str) and model is not None:
            model = _TABLES.get(part, model)
    known = [field.alias or name for name, field in (model or FeedsModel).model_fields.items()]
    close = difflib.get_close_matches(str(place[-1]), known, n=1, cutoff=0.6)
    return f": did you mean {close[0]}?" if close else f": one of {', '.join(known)}"


_TABLES: dict[str, type[BaseModel]] = {"feed": FeedModel} | {
    field.alias or name: annotation
    for name, field in FeedModel.model_fields.items()
    for annotation in (field.annotation, *getattr(field.annotation, "__args__", ()))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel)
}
