"""Read boto's descriptions of services once a process: each client of a test would read them anew, for 0.2 CPU s."""

from collections import defaultdict
from typing import Any

import botocore.session
from botocore.loaders import Loader, create_loader

_known: defaultdict[str | None, dict[Any, Any]] = defaultdict(dict)


def share() -> None:
    """Have all loaders with the same search path keep what they read at one place."""
    botocore.session.create_loader = _sharing


def read() -> None:
    """Read them now, so that processes that are forked from this one need not."""
    import boto3  # noqa: PLC0415

    boto3.client("s3", region_name="us-east-1", aws_access_key_id="none", aws_secret_access_key="none").close()


def _sharing(search_path_string: str | None = None) -> Loader:
    loader = create_loader(search_path_string)
    loader._cache = _known[search_path_string]
    return loader
