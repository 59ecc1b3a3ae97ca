"""Everything a file of feeds may say, as pydantic models.

The models are the one source of the JSON Schema, of the messages and of the values that the program works with.
"""

import codecs
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, Strict, field_validator, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from processor.domain.column_types import TIMES, canonical, is_nested
from processor.domain.conversion import DataFormat
from processor.domain.declarations import OnExtra, OnMissing, OnSurprise
from processor.domain.feeds import AfterUpload
from processor.domain.key_template import names_version, template_mistake
from processor.domain.tables import partition_fields
from processor.feeds.patterns import path_pattern

_DIRECTIVES = frozenset("aAwdbBmyYHIpMSfzZjUWcxXngGuV%-")  # of strptime, as DuckDB's documentation lists them
_CSV = (None, DataFormat.CSV, DataFormat.TSV)
_JSON = (None, DataFormat.JSON, DataFormat.JSONL)

Texts = Annotated[tuple[str, ...], Strict(strict=False)]
Name = Annotated[str, Field(min_length=1)]


class _Section(BaseModel):
    """A TOML table: an unknown key is a mistake."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class CsvSection(_Section):
    """How the CSV and TSV files of the feed are read; what is not said is found by evidence, or the file is refused."""

    encoding: str = Field("", description="such as utf-8, cp1252, gbk; never guessed")
    delimiter: str | None = Field(None, min_length=1, description="what parts the fields; several characters, too")
    quote: str | None = Field(None, max_length=1, description='encloses fields; "": quotes are text')
    escape: str | None = Field(None, max_length=1, description='before a quote within quotes; "": none')
    header: bool | Texts | None = Field(None, description="true, false, or the names of a text without a header")
    skip_lines: int = Field(0, ge=0, description="lines above the header; kept as notes")
    footer_lines: int = Field(0, ge=0, description="lines below the last row; kept as notes")
    comment: str = Field("", description="lines that begin so are notes")
    row_names: str = Field("", description="name of a first column that the header leaves out, as R writes it")
    decimal: Literal[".", ","] = Field(".", description="the decimal mark")
    thousands: Literal["", ".", ",", " ", "'", "_", "\u00a0", "\u202f"] = Field("", description="parts thousands")
    null: Texts | None = Field(None, description="texts that mean NULL, as unquoted fields")
    null_quoted: bool = Field(False, description="quoted fields that equal one of them are NULL, too")

    @field_validator("encoding")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            text = not value or codecs.lookup(value)._is_text_encoding  # noqa: SLF001 - as bytes.decode asks itself
        except LookupError:
            text = False
        if not text:
            raise ValueError(f"{value!r} is no encoding that Python knows: such as utf-8, cp1252, latin-1, gbk, utf-16")
        return value

    @field_validator("delimiter", "quote", "escape", "comment")
    @classmethod
    def _one_line(cls, value: str | None) -> str | None:
        if value and ("\n" in value or "\r" in value):
            raise ValueError("must not hold a line end")
        return value

    @field_validator("header")
    @classmethod
    def _names(cls, value: bool | Texts | None) -> bool | Texts | None:  # noqa: FBT001 - pydantic passes values so
        if isinstance(value, tuple):
            if not value or "" in value:
                raise ValueError("every column needs a name")
            if twice := _twice(value):
                raise ValueError(f"{twice!r} stands there twice")
        return value

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.thousands == self.decimal:
            raise ValueError(f"decimal and thousands are both {self.decimal!r}")
        if self.quote and self.quote == self.delimiter:
            raise ValueError(f"delimiter and quote are both {self.quote!r}")
        return self


class JsonSection(_Section):
    """How the JSON files of the feed are read."""

    records: str = Field("", description="path of the rows in a document, such as data.items")

    @field_validator("records")
    @classmethod
    def _path(cls, value: str) -> str:
        if value and not all(value.split(".")):
            raise ValueError("names and dots, such as data.items")
        return value


class XmlSection(_Section):
    """How the XML files of the feed are read."""

    row: str = Field("", description="name of the element that is a row")
    lists: Texts = Field((), description="elements that are always lists, also where there is one")


class ColumnSection(_Section):
    """One column; its type alone may stand for the table."""

    type: str = Field(
        description="BIGINT, DOUBLE, DECIMAL(p,s), BOOLEAN, DATE, TIMESTAMP, TIMESTAMPTZ, TIMESTAMP_NS, VARCHAR; "
        "of JSON and XML also STRUCT(name TYPE, ...) and TYPE[]"
    )
    format: str = Field("", description="of a date or time, as in strptime, such as %d.%m.%Y")
    rename: str = Field("", description="name of the column in the table, where it is another than in the file")
    required: bool = Field(False, description="a NULL is a surprise")
    true: Texts = Field((), description="words of a BOOLEAN")
    false: Texts = Field((), description="words of a BOOLEAN")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: object) -> object:
        return {"type": value} if isinstance(value, str) else value

    @field_validator("type")
    @classmethod
    def _type(cls, value: str) -> str:
        return canonical(value)

    @field_validator("format")
    @classmethod
    def _format(cls, value: str) -> str:
        pieces = value.replace("%%", "").split("%")
        if value and (len(pieces) == 1 or any(piece[:1] not in _DIRECTIVES for piece in pieces[1:])):
            raise ValueError("is no format of strptime, such as %d.%m.%Y or %Y-%m-%dT%H:%M:%S")
        return value

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.format and self.type not in TIMES:
            raise ValueError(f"format is for {', '.join(TIMES)}, not for {self.type}")
        if (self.true or self.false) and self.type != "BOOLEAN":
            raise ValueError(f"true and false are words of a BOOLEAN, not of {self.type}")
        if bool(self.true) is not bool(self.false):
            raise ValueError("a BOOLEAN needs words for both, such as true = ['Y'], false = ['N']")
        if both := set(self.true) & set(self.false):
            raise ValueError(f"{min(both)!r} can not mean both true and false")
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return that a column is its type alone or a table."""
        table = handler.resolve_ref_schema(handler(schema))
        return {"anyOf": [{"type": "string", "description": table["properties"]["type"]["description"]}, table]}


class ColumnsSection(BaseModel):
    """These columns, in this order, in every file; their names are the file's."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)
    __pydantic_extra__: dict[str, ColumnSection] = Field(init=False)

    on_missing: OnMissing = Field(OnMissing.REFUSE, description="a declared column that a file lacks")
    on_extra: OnExtra = Field(OnExtra.REFUSE, description="a column that is not declared")
    on_surprise: OnSurprise = Field(OnSurprise.REFUSE, description="a value that its type does not hold")

    @model_validator(mode="after")
    def _together(self) -> Self:
        columns = self.columns
        if not columns:
            raise ValueError("names no column")
        names = [column.rename or name for name, column in columns.items()]
        if twice := _twice(names):
            raise ValueError(f"two columns would be called {twice!r}")
        return self

    @property
    def columns(self) -> dict[str, ColumnSection]:
        """Return the columns by the names they have in the file, in their order."""
        return self.__pydantic_extra__ or {}


class DeliverySection(_Section):
    """How the feed's objects are stored; what is not said is as the settings say."""

    key: str = Field("", description="template of the key, such as orders/year={mtime:%Y}/{stem}.parquet")
    prefix: str = Field("", description="put in front of the key, below S3_PREFIX")
    tags: dict[Name, str] = Field(default_factory=dict, description="tags of the objects, beside S3_TAGS")
    storage_class: str = Field("", description="storage class of the objects, such as STANDARD_IA")
    after_upload: AfterUpload | None = Field(None, description="keep, delete or move the source")
    keep_raw: bool = Field(False, description="store the source's own bytes as well, under _raw/")

    @field_validator("key")
    @classmethod
    def _template(cls, value: str) -> str:
        if value and (mistake := template_mistake(value)):
            raise ValueError(mistake)
        return value

    @field_validator("prefix")
    @classmethod
    def _prefix(cls, value: str) -> str:
        if "{" in value or "}" in value:
            raise ValueError("has no fields: they belong in `key`")
        if value and (mistake := template_mistake(f"{value.rstrip('/')}/{{path}}")):
            raise ValueError(mistake)
        return f"{value.rstrip('/')}/" if value else ""


class TableSection(_Section):
    """The table that the feed's Parquet is part of."""

    name: str = Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$", description="such as sales.orders")
    partition: Texts = Field((), description="columns, or such as day(booked)")

    @field_validator("partition")
    @classmethod
    def _fields(cls, value: Texts) -> Texts:
        partition_fields(value)
        return value


class FeedModel(_Section):
    """A feed: files that belong together."""

    FORMATS_OF: ClassVar[dict[str, tuple[DataFormat | None, ...]]] = {
        "csv": _CSV,
        "json": _JSON,
        "xml": (None, DataFormat.XML),
    }

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=64, description="letters, digits, _ . -")
    match: tuple[Name, ...] = Field(
        min_length=1, description="patterns of gitignore below WATCH_PATH; members are archive/member"
    )
    format: DataFormat | None = Field(None, description="csv, tsv, json, jsonl or xml, whatever the files are called")
    empty_file: bool = Field(False, description="a file of zero bytes is a table without rows; needs columns")
    csv: CsvSection | None = None
    # Called json in the file; BaseModel has a method of that name.
    json_: JsonSection | None = Field(None, alias="json")
    xml: XmlSection | None = None
    columns: ColumnsSection | None = None
    delivery: DeliverySection | None = None
    table: TableSection | None = None

    @field_validator("match")
    @classmethod
    def _patterns(cls, value: Texts) -> Texts:
        for text in value:
            path_pattern(text)
        if all(text.startswith("!") for text in value):
            raise ValueError("only takes away: at least one pattern without `!`")
        return value

    @model_validator(mode="after")
    def _together(self) -> Self:
        readings = {"csv": self.csv, "json": self.json_, "xml": self.xml}
        for name, formats in self.FORMATS_OF.items():
            if self.format not in formats and readings[name] is not None:
                raise ValueError(f"[feed.{name}] is of no use: the format is {self.format}")
        if self.empty_file and self.columns is None:
            raise ValueError("empty_file needs [feed.columns]: a table without rows still has columns")
        if self.csv is not None and self.columns is None and (self.csv.decimal != "." or self.csv.thousands):
            raise ValueError("decimal and thousands need [feed.columns]: without a type such numbers stay text")
        if self.columns is not None and self.format in (DataFormat.CSV, DataFormat.TSV):
            for column, declared in self.columns.columns.items():
                if is_nested(declared.type):
                    raise ValueError(f"column {column!r}: CSV has no {declared.type}")
        if self.table is not None:
            self._see_table(self.table)
        return self

    def _see_table(self, table: TableSection) -> None:
        """Raise ValueError where the objects could not be data files of the table."""
        if self.delivery is not None and self.delivery.key and not names_version(self.delivery.key):
            raise ValueError("[feed.table] needs {version} in the key: a table's objects are never overwritten")
        if self.columns is not None:
            known = {column.rename or name for name, column in self.columns.columns.items()}
            for each in partition_fields(table.partition):
                if each.column not in known:
                    raise ValueError(f"table.partition: there is no column {each.column!r}")


class FeedsModel(_Section):
    """The file of feeds: of several that match a file the first one counts."""

    feed: tuple[FeedModel, ...] = ()

    @model_validator(mode="after")
    def _unique(self) -> Self:
        if twice := _twice([feed.name for feed in self.feed]):
            raise ValueError(f"two feeds are called {twice!r}")
        partitions: dict[str, Texts] = {}
        for table in (feed.table for feed in self.feed if feed.table is not None):
            if partitions.setdefault(table.name, table.partition) != table.partition:
                raise ValueError(f"two feeds divide the table {table.name!r} into different partitions")
        return self


def _twice(names: Any) -> str | None:
    seen: set[str] = set()
    return next((name for name in names if name in seen or seen.add(name)), None)  # type: ignore[func-returns-value]
