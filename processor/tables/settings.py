"""Settings of the catalog."""

import importlib.util
import os
from dataclasses import dataclass, field
from pathlib import Path

from processor.config.choices import CatalogType
from processor.config.environment import ConfigurationError
from processor.config.settings import Settings
from processor.domain.keys import TABLES
from processor.store.from_settings import store_settings
from processor.store.settings import StoreSettings


@dataclass(frozen=True, slots=True)
class CatalogSettings:
    """Which catalog, the store whose objects its tables are made of, and the ledger that says which."""

    type: CatalogType
    uri: str
    warehouse: str
    store: StoreSettings
    ledger: Path
    root: bytes  # the watched directory
    token: str = field(default="", repr=False)
    credential: str = field(default="", repr=False)
    sqlite: Path | None = None  # the catalog itself, where it is a file of ours

    def location(self, key: str) -> str:
        """Return how tables name the object that the store knows by `key`."""
        return f"s3://{self.store.bucket}/{self.store.prefix}{key}"

    def key(self, location: str) -> str | None:
        """Return the key of the object at `location`; None where it is not of this store."""
        own = self.location("")
        return location.removeprefix(own) if location.startswith(own) else None


def catalog_settings(settings: Settings) -> CatalogSettings:
    """Return what the settings say of the catalog; they lead to the store already. There is a catalog."""
    assert settings.catalog is not None
    store = store_settings(settings)
    sqlite = settings.catalog_path
    own = f"s3://{store.bucket}/{store.prefix}{TABLES}"
    return CatalogSettings(
        type=settings.catalog,
        uri=settings.catalog_uri if sqlite is None else f"sqlite:///{sqlite}",
        warehouse=settings.catalog_warehouse or (own if settings.catalog is not CatalogType.REST else ""),
        store=store,
        ledger=settings.progress_db_path,
        root=os.fsencode(settings.watch_path),
        token=settings.catalog_token.get_secret_value(),
        credential=settings.catalog_credential.get_secret_value(),
        sqlite=sqlite,
    )


def see_installed(needed: bool) -> None:  # noqa: FBT001 - the one thing it is asked
    """Raise ConfigurationError where a feed has a table and pyiceberg is not installed."""
    if needed and importlib.util.find_spec("pyiceberg") is None:
        raise ConfigurationError("a feed has a table: install the extra, data-file-processor[tables]")
