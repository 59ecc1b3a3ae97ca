"""Settings from the environment and `.env`, validated together.

Every mistake is reported at once, before anything starts.
"""

import codecs
import difflib
import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator

from processor.domain.archives import ArchiveLimits, ExtractionOptions, NestedArchives
from processor.domain.conversion import Compression, ConversionOptions, CsvNotes, MalformedRows, Typing
from processor.domain.feeds import AfterUpload
from processor.domain.key_template import template_mistake
from processor.domain.notices import CHOICES, EventType
from processor.domain.uploads import PART_SIZE_BYTES, SMALLEST_PART_BYTES
from processor.environment import LEDGER, absolute, control_socket, env_file, given, written
from processor.environment import ConfigurationError as ConfigurationError  # noqa: PLC0414 - raised here, too

EMBEDDED = "embedded"
_MIB = 1 << 20
_LIMITS = ArchiveLimits()
_LEAST_DUCKDB_MIB = 384  # less is too little for its JSON reader
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_FILE_PARTS_IN_FLIGHT = 4
_LARGEST_PORT = 65_535
_S3_MOST_TAGS = 10  # "Categorizing your objects using tags"
_S3_LARGEST_PART = 5 << 30  # "Amazon S3 multipart upload limits": parts of 5 MiB to 5 GiB


class LogLevel(StrEnum):
    """From what severity on lines are written."""

    DEBUG = "debug"
    INFO = "info"
    WARN = "warn"
    ERROR = "error"


class EngineChoice(StrEnum):
    """Where the heavy work is done."""

    LOCAL = "local"
    DASK = "dask"


class CatalogType(StrEnum):
    """Kinds of catalogs that know the tables of feeds."""

    NONE = "none"
    SQL = "sql"
    REST = "rest"
    GLUE = "glue"


class SandboxMode(StrEnum):
    """What a worker that lacks a protection means."""

    REQUIRE = "require"
    WARN = "warn"


class WorkerRenewal(StrEnum):
    """How long one worker serves: one that a file has taken over reads what it may read."""

    FILE = "file"
    DIRECTORY = "directory"
    NEVER = "never"


class Settings(BaseModel):
    """Every setting; the environment variable is the field's name in capitals. Times are milliseconds."""

    model_config = ConfigDict(extra="ignore", frozen=True, validate_default=True)

    s3_endpoint: str = Field(
        "", description="URL of the S3 server; empty: AWS; `embedded`: a SeaweedFS server of its own, on loopback"
    )
    s3_region: str = Field("us-east-1", description="region of the bucket")
    s3_bucket: str = Field(min_length=3, max_length=63, description="bucket that receives everything; it must exist")
    s3_prefix: str = Field("", description="put in front of every key, such as `host-a/`")
    s3_access_key_id: str = Field("", description="access key; empty: boto3's default chain (profile, instance role)")
    s3_secret_access_key: SecretStr = Field(SecretStr(""), description="secret of the access key")
    s3_force_path_style: bool = Field(True, description="address the bucket in the path, as most servers want it")
    s3_ca_bundle: Path | None = Field(
        None, description="PEM file of the authority that signed the server's certificate"
    )
    s3_storage_class: str = Field(
        "", description="storage class of delivered objects, not of manifests; empty: the bucket's default"
    )
    s3_sse: str = Field("", pattern="^(|AES256|aws:kms)$", description="server-side encryption: `AES256` or `aws:kms`")
    s3_sse_kms_key_id: str = Field("", description="key for `aws:kms`; empty: the account's default key")
    s3_tags: str = Field("", description="tags for every object, as `a=b&c=d`")
    s3_part_size: int = Field(
        0,
        ge=0,
        le=_S3_LARGEST_PART,
        description="bytes of one part of a multipart upload, from 5 MiB; 0: 8 MiB of a file, 5 MiB of a stream",
    )
    s3_parts_in_flight: int = Field(
        0,
        ge=0,
        le=16,
        description="parts of one object that are sent at the same time; 0: four of a file, one of a stream",
    )
    max_bandwidth: int = Field(0, ge=0, description="bytes a second for all uploads together; 0: no limit")
    store_directory: Path = Field(Path("./store"), description="where the embedded server keeps its data")

    watch_path: Path = Field(description="directory whose files are delivered, with all below it")
    stability_threshold: int = Field(2000, ge=0, description="a file is whole when unchanged for so long")
    poll_interval: int = Field(100, ge=1, description="how often a file that is not yet whole is looked at")
    ignore_initial: bool = Field(False, description="leave alone what lies there at the start, until it changes")
    rescan_interval: int = Field(300_000, ge=0, description="how often everything is looked at again; 0: never")

    include: str = Field(
        "", description="deliver these only: patterns of gitignore, separated by spaces; empty: everything"
    )
    exclude: str = Field(
        "", description="leave these alone, beside names of temporary files: patterns of gitignore, separated by spaces"
    )

    max_concurrency: int = Field(4, ge=1, le=256, description="files that are on their way at the same time")
    workers: int = Field(0, ge=0, le=256, description="worker processes; 0: one for each processor")
    worker_memory: int = Field(1024, ge=512, description="MiB of private memory that a worker may use")
    worker_timeout: int = Field(3_600_000, ge=1000, description="a worker that is silent for so long is ended")
    worker_cpu_per_mb: int = Field(
        30_000, ge=0, description="CPU time that a worker may use for a MB of a file, at least for 2 MB; 0: no limit"
    )
    worker_renewal: WorkerRenewal = Field(
        WorkerRenewal.DIRECTORY,
        description="one worker reads one `file`, or one `directory` right below WATCH_PATH, or (`never`) all",
    )
    sandbox: SandboxMode = Field(
        SandboxMode.REQUIRE, description="workers that lack a protection get no work (`require`), or a warning (`warn`)"
    )
    allow_root: bool = Field(False, description="let the daemon run as root; better give it a user of its own")
    max_retries: int = Field(3, ge=0, le=100, description="further tries for a file whose first try failed")
    retry_delay: int = Field(
        1000, ge=0, description="wait before the first further try; doubled each time, with jitter"
    )
    shutdown_timeout: int = Field(30_000, ge=0, description="how long work in flight may take to end after a signal")
    error_directory: Path = Field(
        Path("/data/errors"), description="where failed files go, with the reason beside them"
    )
    after_upload: AfterUpload = Field(AfterUpload.KEEP, description="then `keep`, `delete` or `move` the file")
    after_upload_directory: Path | None = Field(None, description="where `move` moves it, under the same relative path")

    progress_db_path: Path = Field(LEDGER, description="the ledger: one SQLite file, on a local disk")

    feeds: Path | None = Field(
        None, description="file of feeds, such as `feeds.toml`: how files are read and delivered; reread on SIGHUP"
    )
    key_template: str = Field(
        "", description="template of every key, such as `{mtime:%Y}/{path}`; empty: keys mirror the paths"
    )

    catalog_type: CatalogType | None = Field(
        None,
        description="catalog of the feeds' tables: `sql`, `rest`, `glue`, or `none`: deliver without tables; "
        "empty: `sql` beside the ledger where the store is embedded",
    )
    catalog_uri: str = Field(
        "", description="of `rest` its URL, of `sql` such as `postgresql+psycopg2://host/db`; empty: SQLite"
    )
    catalog_warehouse: str = Field(
        "", description="where tables lie, such as `s3://bucket/warehouse`, or the catalog's name for it"
    )
    catalog_token: SecretStr = Field(SecretStr(""), description="bearer token for `rest`")
    catalog_credential: SecretStr = Field(SecretStr(""), description="`id:secret` for `rest`, exchanged for a token")
    table_commit_interval: int = Field(
        1000, ge=0, description="what arrives within so long becomes one snapshot of its table"
    )

    parquet_compression: Compression = Field(Compression.ZSTD, description="`ZSTD` or `SNAPPY`")
    parquet_compression_level: int = Field(1, ge=1, le=22, description="level of ZSTD")
    typing: Typing = Field(Typing.LOSSLESS, description="`lossless`: columns earn types; `text`: all stay text")
    malformed_rows: MalformedRows = Field(
        MalformedRows.REFUSE, description="rows of the wrong length: `refuse` the file, `reject-object` or `keep`"
    )
    csv_notes: CsvNotes = Field(
        CsvNotes.REFUSE,
        description="titles, notes and totals around a CSV table: `refuse` the file or `recognise` them",
    )
    null_tokens: tuple[str, ...] = Field((), description="texts that mean NULL, separated by commas, such as `NA,n/a`")

    fallback_encoding: str = Field(
        "", description="encoding of CSV and TSV files that are not Unicode, such as `cp1252`; empty: they are refused"
    )

    nested_archives: NestedArchives = Field(
        NestedArchives.KEEP, description="`keep` them as they are or `extract` them"
    )
    max_archive_depth: int = Field(_LIMITS.depth, ge=1, le=16, description="how deep archives in archives are opened")
    max_archive_bytes: int = Field(_LIMITS.archive_bytes, ge=1, description="bytes that an archive may unpack to")
    max_archive_ratio: int = Field(_LIMITS.ratio, ge=1, description="how many times its own size it may unpack to")
    max_archive_members: int = Field(_LIMITS.members, ge=1, description="members an archive may have")
    max_member_bytes: int = Field(_LIMITS.member_bytes, ge=1, description="bytes that one member may unpack to")
    max_decoder_memory: int = Field(
        _LIMITS.decoder_memory_bytes, ge=_MIB, description="bytes of window that xz, lzma and zstd may ask for"
    )
    allow_overlapping_entries: bool = Field(
        _LIMITS.overlapping_entries, description="accept zip entries that are made of the same bytes"
    )

    engine: EngineChoice = Field(
        EngineChoice.LOCAL, description="where files are converted and unpacked: `local` or `dask`"
    )
    dask_scheduler: str = Field("", description="address of the Dask scheduler, such as `tls://host:8786`")
    dask_tls_ca: Path | None = Field(
        None, description="PEM file of the authority that signed the cluster's certificates"
    )
    dask_tls_cert: Path | None = Field(None, description="PEM file with this host's certificate for the cluster")
    dask_tls_key: Path | None = Field(None, description="PEM file with the key of that certificate")
    dask_min_size: int = Field(
        _MIB, ge=0, description="data files and archives of fewer bytes are worked on by this host itself"
    )
    path_map: str = Field(
        "",
        description="`/here=/there`: where workers find what lies `/here`; empty: files reach them through the store",
    )

    log_level: LogLevel = Field(LogLevel.INFO, description="`debug`, `info`, `warn` or `error`; reread on SIGHUP")
    log_pretty: bool = Field(False, description="lines for eyes instead of JSON")
    control_socket: Path | None = Field(
        None, description="Unix socket for commands that change something; default: beside the ledger"
    )
    http_listen: str = Field(
        "", description="`host:port` for /metrics, /live and /ready; a port alone means loopback; empty: none"
    )

    notify_url: str = Field(
        "", description="URL that is told of deliveries, failures, drift and outages; empty: nobody"
    )
    notify_secret: SecretStr = Field(SecretStr(""), description="key of the signature of what is told; empty: none")
    notify_events: str = Field(",".join(CHOICES), description="what is told, separated by commas")

    @field_validator("null_tokens", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(value.split(",")) if isinstance(value, str) else value

    @field_validator("fallback_encoding")
    @classmethod
    def _encoding(cls, value: str) -> str:
        if value and not _declares_text(value):
            raise ValueError("must be the name of an encoding that is not Unicode, such as cp1252 or shift_jis")
        return value

    @field_validator("log_level", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("parquet_compression", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("s3_endpoint")
    @classmethod
    def _url(cls, value: str) -> str:
        if value not in ("", EMBEDDED) and not value.startswith(("http://", "https://")):
            raise ValueError("must be `embedded`, empty for AWS, or begin with http:// or https://")
        place = urlsplit(value)
        if value not in ("", EMBEDDED) and (not place.hostname or place.query or place.fragment or "?" in value):
            raise ValueError(
                "must be a scheme, a host and perhaps a port, such as https://host:9000, and nothing behind"
            )
        if place.port == 0 or place.username is not None:
            raise ValueError(
                "must hold no port 0, no name and no password: these go into S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY"
            )
        return value.rstrip("/")

    @field_validator("http_listen")
    @classmethod
    def _address(cls, value: str) -> str:
        if not value:
            return value
        host, colon, port = value.rpartition(":")
        if not (port.isascii() and port.isdigit() and int(port) <= _LARGEST_PORT) or (colon and not host):
            raise ValueError("must be host:port, such as 127.0.0.1:9464; all interfaces are written 0.0.0.0:9464")
        return value if host else f"127.0.0.1:{port}"

    @field_validator("notify_url")
    @classmethod
    def _receiver(cls, value: str) -> str:
        place = urlsplit(value)
        if value and (place.scheme not in ("http", "https") or not place.hostname or place.username is not None):
            raise ValueError("must begin with http:// or https:// and a host, without a name and a password")
        return value

    @field_validator("notify_events")
    @classmethod
    def _events(cls, value: str) -> str:
        if unknown := [word for word in value.split(",") if word not in CHOICES]:
            raise ValueError(f"knows no {', '.join(map(repr, unknown))}: {', '.join(CHOICES)}")
        return value

    @field_validator("s3_tags")
    @classmethod
    def _tags(cls, value: str) -> str:
        pairs = [tag.partition("=") for tag in value.split("&") if tag]
        if not all(name and equals for name, equals, _ in pairs):
            raise ValueError("must be pairs such as team=data, joined by &")
        if len({name for name, _, _ in pairs}) < len(pairs) or len(pairs) > _S3_MOST_TAGS:
            raise ValueError(f"must be at most {_S3_MOST_TAGS} pairs of different names")
        return value

    @field_validator("s3_prefix")
    @classmethod
    def _prefix(cls, value: str) -> str:
        if value.startswith("/") or "//" in value:
            raise ValueError("must not begin with a slash nor hold two in a row")
        return value if not value or value.endswith("/") else f"{value}/"

    @field_validator("dask_scheduler")
    @classmethod
    def _scheduler(cls, value: str) -> str:
        kind, _, rest = value.partition("://")
        host = rest.rpartition(":")[0].strip("[]")
        if value and kind != "tls" and not (kind == "tcp" and host in _LOOPBACK):
            raise ValueError("must begin with tls://, or with tcp:// on loopback: whoever reaches it may run programs")
        return value

    @field_validator("s3_part_size")
    @classmethod
    def _part(cls, value: int) -> int:
        if 0 < value < SMALLEST_PART_BYTES:
            raise ValueError(f"must be 0 or at least {SMALLEST_PART_BYTES}: S3 takes no smaller part")
        return value

    @field_validator("path_map")
    @classmethod
    def _pairs(cls, value: str) -> str:
        for pair in filter(None, value.split(",")):
            here, equals, there = pair.partition("=")
            if not (equals and here.startswith("/") and there.startswith("/")):
                raise ValueError("must be pairs of absolute paths, such as /data=/mnt/data, separated by commas")
        return value

    @field_validator("key_template")
    @classmethod
    def _template(cls, value: str) -> str:
        if value and (mistake := template_mistake(value)):
            raise ValueError(mistake)
        return value

    @field_validator(
        "watch_path", "error_directory", "after_upload_directory", "progress_db_path", "store_directory", "feeds"
    )
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return None if value is None else absolute(value)

    @model_validator(mode="after")
    def _together(self) -> "Settings":
        if bool(self.s3_access_key_id) != bool(self.s3_secret_access_key.get_secret_value()):
            raise ValueError("S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY must be given both or not at all")
        if self.after_upload is AfterUpload.MOVE and self.after_upload_directory is None:
            raise ValueError("AFTER_UPLOAD=move needs AFTER_UPLOAD_DIRECTORY")
        if self.engine is EngineChoice.DASK and not self.dask_scheduler:
            raise ValueError("ENGINE=dask needs DASK_SCHEDULER, such as tls://host:8786")
        certificates = (self.dask_tls_ca, self.dask_tls_cert, self.dask_tls_key)
        if self.engine is EngineChoice.DASK and self.dask_scheduler.startswith("tls://") and None in certificates:
            raise ValueError("DASK_SCHEDULER=tls://... needs DASK_TLS_CA, DASK_TLS_CERT and DASK_TLS_KEY")
        if self.catalog_type is CatalogType.REST and not self.catalog_uri:
            raise ValueError("CATALOG_TYPE=rest needs CATALOG_URI, such as https://catalog.example/")
        if self.catalog_uri and self.catalog_type not in (CatalogType.SQL, CatalogType.REST):
            raise ValueError("CATALOG_URI is of CATALOG_TYPE sql or rest")
        if self.watch_path in (self.error_directory, self.after_upload_directory):
            raise ValueError("WATCH_PATH must not be the ERROR_DIRECTORY nor the AFTER_UPLOAD_DIRECTORY itself")
        return self

    @property
    def catalog(self) -> CatalogType | None:
        """Return which catalog knows the feeds' tables; None when that has to be said."""
        if self.catalog_type is None and self.s3_endpoint == EMBEDDED:
            return CatalogType.SQL
        return self.catalog_type

    @property
    def catalog_path(self) -> Path | None:
        """Return where the catalog's SQLite lies, beside the ledger; None when the catalog is another."""
        own = self.catalog is CatalogType.SQL and not self.catalog_uri
        return self.progress_db_path.with_name(f"{self.progress_db_path.stem}.catalog.db") if own else None

    @property
    def file_part_size(self) -> int:
        """How many bytes of a regular file one part is; none of them is held in memory."""
        return self.s3_part_size or PART_SIZE_BYTES

    @property
    def stream_part_size(self) -> int:
        """How many bytes one part is of an object that a worker makes: so much memory each such object takes here."""
        return self.s3_part_size or SMALLEST_PART_BYTES

    @property
    def file_parts_in_flight(self) -> int:
        """How many parts of one regular file are sent at the same time, straight from its pages."""
        return self.s3_parts_in_flight or _FILE_PARTS_IN_FLIGHT

    @property
    def stream_parts_in_flight(self) -> int:
        """How many parts of one object that a worker makes are sent at the same time: each is held in memory."""
        return self.s3_parts_in_flight or 1

    @property
    def conversion(self) -> ConversionOptions:
        """Return what the settings say of conversion."""
        return ConversionOptions(
            compression=self.parquet_compression,
            compression_level=self.parquet_compression_level,
            typing=self.typing,
            malformed_rows=self.malformed_rows,
            csv_notes=self.csv_notes,
            null_tokens=self.null_tokens,
            fallback_encoding=self.fallback_encoding,
            cpu_seconds_per_mb=self.worker_cpu_per_mb / 1000,
            memory_limit_mb=max(_LEAST_DUCKDB_MIB, self.worker_memory * 2 // 5),
        )

    @property
    def extraction(self) -> ExtractionOptions:
        """Return what the settings say of archives."""
        limits = ArchiveLimits(
            archive_bytes=self.max_archive_bytes,
            member_bytes=self.max_member_bytes,
            members=self.max_archive_members,
            ratio=self.max_archive_ratio,
            depth=self.max_archive_depth,
            decoder_memory_bytes=self.max_decoder_memory,
            overlapping_entries=self.allow_overlapping_entries,
        )
        return ExtractionOptions(limits, self.nested_archives, self.conversion)

    @property
    def events_to_tell(self) -> frozenset[EventType]:
        """Return the types of events that NOTIFY_URL is told of."""
        return frozenset[EventType]().union(*(CHOICES[word] for word in self.notify_events.split(",")))

    @property
    def shared_root(self) -> Path | None:
        """Return where workers on other hosts find the watched directory; None when they do not see it."""
        for pair in filter(None, self.path_map.split(",")):
            here, _, there = pair.partition("=")
            if self.watch_path.is_relative_to(here):
                return Path(there) / self.watch_path.relative_to(here)
        return None

    def part_for_worker(self, relative_path: bytes) -> str:
        """Return what the worker that reads this file may read, below WATCH_PATH; "": all of it."""
        directory, nested, _name = relative_path.partition(b"/")
        match self.worker_renewal:
            case WorkerRenewal.FILE:
                return os.fsdecode(relative_path)
            case WorkerRenewal.DIRECTORY:
                return os.fsdecode(directory) if nested else ""
            case WorkerRenewal.NEVER:
                return ""

    @property
    def control_socket_path(self) -> Path:
        """Return where commands reach the daemon."""
        return control_socket(self.control_socket, self.progress_db_path)


def load(otherwise: Mapping[str, Any] | None = None) -> Settings:
    """Return the settings. Raises ConfigurationError that names every mistake, its value and what would be right.

    `otherwise` (by setting) holds for what neither the environment nor `.env` sets, before the defaults.
    """
    mistakes = _misspelt()
    try:
        settings = Settings(**({name.lower(): value for name, value in (otherwise or {}).items()} | given()))
    except ValidationError as error:
        mistakes += [_explain(details) for details in error.errors(include_url=False)]
    if mistakes:
        raise ConfigurationError("\n".join(mistakes))
    return settings


def _declares_text(encoding: str) -> bool:
    """Tell whether a text can be declared to be in `encoding`: Unicode is found without; some are no text."""
    try:
        name = codecs.lookup(encoding).name
        "".encode(name)
    except LookupError:
        return False
    return not name.startswith(("utf", "idna", "punycode", "raw", "unicode", "undefined"))


def _explain(details: Any) -> str:
    name = "_".join(str(part) for part in details["loc"]).upper()
    if not name:
        return str(details["msg"]).removeprefix("Value error, ")
    field = Settings.model_fields.get(name.lower())
    meaning = f" ({field.description})" if field is not None and field.description else ""
    if details["type"] == "missing":
        return f"{name} is not set{meaning}"
    hidden = any(word in name.lower() for word in ("secret", "token", "credential", "notify_url")) or "@" in str(
        details["input"]
    )  # of an endpoint: a password
    given = "(hidden)" if hidden else repr(details["input"])
    return f"{name}={given}: {_requirement(details)}{meaning}"


def _requirement(details: Any) -> str:
    """Return what a value has to be. The types are those of pydantic's "Validation Errors"."""
    limits = details.get("ctx", {})
    match details["type"]:
        case "int_parsing" | "int_type" | "int_from_float":
            return "must be a whole number"
        case "bool_parsing" | "bool_type":
            return "must be true or false"
        case "enum":
            return f"must be {limits['expected'].replace(chr(39), '')}"
        case "greater_than_equal":
            return f"must be at least {limits['ge']}"
        case "less_than_equal":
            return f"must be at most {limits['le']}"
        case "string_too_short":
            return f"must have at least {limits['min_length']} characters"
        case "string_too_long":
            return f"must have at most {limits['max_length']} characters"
        case "string_pattern_mismatch":
            return f"must be one of {', '.join(filter(None, limits['pattern'].strip('^$()').split('|')))}, or empty"
        case _:
            return str(details["msg"]).removeprefix("Value error, ")


def _misspelt() -> list[str]:
    """Name the variables that are nearly, but not quite, a setting: a silently ignored setting is a trap."""
    known = [name.upper() for name in Settings.model_fields]
    in_file = {name.upper() for name in written()}
    found = []
    for name in sorted(in_file | {name for name in os.environ if "_" in name}):
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.85)
        begins_alike = close and close[0].partition("_")[0] == name.partition("_")[0]
        if name not in known and close and (begins_alike or name in in_file):  # AWS_CA_BUNDLE is another program's
            where = env_file() if name in in_file else "the environment"
            found.append(f"{name} in {where} is no setting: did you mean {close[0]}?")
    return found
