"""Every setting, validated together."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from processor.config import values
from processor.config.choices import EMBEDDED, CatalogType, EngineChoice, LogLevel, SandboxMode, WorkerRenewal
from processor.config.environment import LEDGER, control_socket
from processor.domain.archives import ArchiveLimits, NestedArchives
from processor.domain.conversion import Compression, ConversionOptions, CsvNotes, MalformedRows, Typing
from processor.domain.feeds import AfterUpload
from processor.domain.notices import CHOICES
from processor.domain.uploads import PART_SIZE_BYTES

_MIB = 1 << 20
_LIMITS = ArchiveLimits()
_LEAST_DUCKDB_MIB = 384  # less is too little for its JSON reader
_FILE_PARTS_IN_FLIGHT = 4
_S3_LARGEST_PART = 5 << 30  # "Amazon S3 multipart upload limits": parts of 5 MiB to 5 GiB


class Settings(BaseModel):
    """Every setting; the environment variable is the field's name in capitals. Times are milliseconds."""

    model_config = ConfigDict(extra="ignore", frozen=True, validate_default=True)

    s3_endpoint: values.Endpoint = Field(
        "", description="URL of the S3 server; empty: AWS; `embedded`: a SeaweedFS server of its own, on loopback"
    )
    s3_region: str = Field("us-east-1", description="region of the bucket")
    s3_bucket: str = Field(min_length=3, max_length=63, description="bucket that receives everything; it must exist")
    s3_prefix: values.Prefix = Field("", description="put in front of every key, such as `host-a/`")
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
    s3_tags: values.Tags = Field("", description="tags for every object, as `a=b&c=d`")
    s3_part_size: values.PartSize = Field(
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
    store_directory: values.AbsolutePath = Field(
        Path("./store"), description="where the embedded server keeps its data"
    )

    watch_path: values.AbsolutePath = Field(description="directory whose files are delivered, with all below it")
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
    error_directory: values.AbsolutePath = Field(
        Path("/data/errors"), description="where failed files go, with the reason beside them"
    )
    after_upload: AfterUpload = Field(AfterUpload.KEEP, description="then `keep`, `delete` or `move` the file")
    after_upload_directory: values.AbsolutePath | None = Field(
        None, description="where `move` moves it, under the same relative path"
    )

    progress_db_path: values.AbsolutePath = Field(LEDGER, description="the ledger: one SQLite file, on a local disk")

    feeds: values.AbsolutePath | None = Field(
        None, description="file of feeds, such as `feeds.toml`: how files are read and delivered; reread on SIGHUP"
    )
    key_template: values.KeyTemplate = Field(
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

    parquet_compression: values.Codec = Field(Compression.ZSTD, description="`ZSTD` or `SNAPPY`")
    parquet_compression_level: int = Field(1, ge=1, le=22, description="level of ZSTD")
    typing: Typing = Field(Typing.LOSSLESS, description="`lossless`: columns earn types; `text`: all stay text")
    malformed_rows: MalformedRows = Field(
        MalformedRows.REFUSE, description="rows of the wrong length: `refuse` the file, `reject-object` or `keep`"
    )
    csv_notes: CsvNotes = Field(
        CsvNotes.REFUSE,
        description="titles, notes and totals around a CSV table: `refuse` the file or `recognise` them",
    )
    null_tokens: values.Texts = Field((), description="texts that mean NULL, separated by commas, such as `NA,n/a`")

    fallback_encoding: values.Encoding = Field(
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
    dask_scheduler: values.Scheduler = Field("", description="address of the Dask scheduler, such as `tls://host:8786`")
    dask_tls_ca: Path | None = Field(
        None, description="PEM file of the authority that signed the cluster's certificates"
    )
    dask_tls_cert: Path | None = Field(None, description="PEM file with this host's certificate for the cluster")
    dask_tls_key: Path | None = Field(None, description="PEM file with the key of that certificate")
    dask_min_size: int = Field(
        _MIB, ge=0, description="data files and archives of fewer bytes are worked on by this host itself"
    )
    path_map: values.PathPairs = Field(
        "",
        description="`/here=/there`: where workers find what lies `/here`; empty: files reach them through the store",
    )

    log_level: values.Level = Field(LogLevel.INFO, description="`debug`, `info`, `warn` or `error`; reread on SIGHUP")
    log_pretty: bool = Field(False, description="lines for eyes instead of JSON")
    control_socket: Path | None = Field(
        None, description="Unix socket for commands that change something; default: beside the ledger"
    )
    http_listen: values.Listen = Field(
        "", description="`host:port` for /metrics, /live and /ready; a port alone means loopback; empty: none"
    )

    notify_url: values.Receiver = Field(
        "", description="URL that is told of deliveries, failures, drift and outages; empty: nobody"
    )
    notify_secret: SecretStr = Field(SecretStr(""), description="key of the signature of what is told; empty: none")
    notify_events: values.EventNames = Field(",".join(CHOICES), description="what is told, separated by commas")

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
    def file_parts_in_flight(self) -> int:
        """How many parts of one regular file are sent at the same time, straight from its pages."""
        return self.s3_parts_in_flight or _FILE_PARTS_IN_FLIGHT

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
    def shared_root(self) -> Path | None:
        """Return where workers on other hosts find the watched directory; None when they do not see it."""
        for pair in filter(None, self.path_map.split(",")):
            here, _, there = pair.partition("=")
            if self.watch_path.is_relative_to(here):
                return Path(there) / self.watch_path.relative_to(here)
        return None

    @property
    def control_socket_path(self) -> Path:
        """Return where commands reach the daemon."""
        return control_socket(self.control_socket, self.progress_db_path)
