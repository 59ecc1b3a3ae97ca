"""Open the catalog that the settings name."""

import os

from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.io import FileIO, load_file_io

from processor.config.choices import CatalogType
from processor.tables.settings import CatalogSettings

_NAME = "processor"
_CONNECT_SECONDS = "10"
_REQUEST_SECONDS = "60"


def open_catalog(settings: CatalogSettings) -> Catalog:
    """Return the catalog. Raises whatever the library raises when it is not there."""
    if settings.sqlite is not None and not settings.sqlite.exists():
        os.close(os.open(settings.sqlite, os.O_CREAT | os.O_WRONLY, 0o600))
    said = {
        "uri": settings.uri,
        "warehouse": settings.warehouse,
        "token": settings.token,
        "credential": settings.credential,
    }
    if settings.type is CatalogType.GLUE:
        said[f"{settings.type}.region"] = settings.store.region
    return load_catalog(
        _NAME,
        type=settings.type.value,
        **file_properties(settings),
        **{name: said[name] for name in said if said[name]},
    )


def open_files(settings: CatalogSettings) -> FileIO:
    """Return the way to the delivered objects: with our own credentials, whatever a catalog lends for its tables."""
    return load_file_io(file_properties(settings), settings.location(""))


def file_properties(settings: CatalogSettings) -> dict[str, str]:
    """Return the properties by which pyiceberg reaches the store ("FileIO", PyIceberg's configuration)."""
    store = settings.store
    found = {
        "endpoint": store.endpoint,
        "region": store.region,
        "access-key-id": store.access_key_id,
        "secret-access-key": store.secret_access_key,
        "session-token": store.session_token,
        "force-virtual-addressing": "false" if store.force_path_style else "true",
        "connect-timeout": _CONNECT_SECONDS,
        "request-timeout": _REQUEST_SECONDS,
    }
    files = "pyiceberg.io.pyarrow.PyArrowFileIO"
    return {"py-io-impl": files, **{f"s3.{name}": value for name, value in found.items() if value}}
