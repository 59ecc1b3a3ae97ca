"""Settings of the store: address, credentials, object options."""

from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from processor.domain.uploads import PART_SIZE_BYTES


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """One bucket, and a prefix in it that is put before every key.

    Without `access_key_id` boto3's default chain finds the credentials (environment, profile, role) and renews them.
    `endpoint` is None for AWS itself. `kms_key_id` chooses SSE-KMS (empty: the account's default key), `encrypt` alone
    SSE-S3.
    """

    bucket: str
    endpoint: str | None = None
    region: str = "us-east-1"
    prefix: str = ""
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    force_path_style: bool = True
    ca_bundle: Path | None = None
    storage_class: str | None = None
    encrypt: bool = False
    kms_key_id: str | None = None
    tags: tuple[tuple[str, str], ...] = ()
    part_size_bytes: int = PART_SIZE_BYTES
    max_bandwidth: int | None = None  # bytes a second, all uploads together
    max_connections: int = 16
    connect_timeout_seconds: float = 5
    read_timeout_seconds: float = 60

    @property
    def unprotected(self) -> bool:
        """Whether requests leave this host without TLS."""
        return is_unprotected(self.endpoint or "https:")


def is_unprotected(url: str) -> bool:
    """Tell whether requests to a URL leave this host without TLS."""
    place = urlsplit(url)
    return place.scheme == "http" and not is_loopback(place.hostname)


def is_loopback(host: str | None) -> bool:
    """Tell whether a name or an address can not lead off this host."""
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False
