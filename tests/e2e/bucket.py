"""What lies in a bucket, read with nothing but boto3 and pyarrow."""

import hashlib
import io
import json
from typing import Any

import boto3
import pyarrow.parquet
from botocore.config import Config

from tests.e2e.daemon import StoreAddress

MANIFESTS = "_manifests/"


class Bucket:
    """One bucket, as a stranger with the credentials sees it."""

    def __init__(self, address: StoreAddress) -> None:
        self.name = address.bucket
        self.client = boto3.client(
            "s3",
            endpoint_url=address.endpoint,
            aws_access_key_id=address.access_key_id,
            aws_secret_access_key=address.secret_access_key,
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 5, "mode": "standard"}),
        )

    def keys(self, prefix: str = "") -> set[str]:
        """Return all keys, manifests included; percent-encoding on the wire, so that any key can be listed."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        return {entry["Key"] for page in pages for entry in page.get("Contents", ())}

    def delivered(self) -> set[str]:
        """Return the keys of delivered objects: all but manifests and what is left of a probe that was killed."""
        return {key for key in self.keys() if not key.startswith((MANIFESTS, "_probe/"))}

    def body(self, key: str) -> bytes:
        return bytes(self.client.get_object(Bucket=self.name, Key=key)["Body"].read())

    def sha256(self, key: str) -> str:
        digest = hashlib.sha256()
        for chunk in self.client.get_object(Bucket=self.name, Key=key)["Body"].iter_chunks(1 << 20):
            digest.update(chunk)
        return digest.hexdigest()

    def head(self, key: str) -> dict[str, Any]:
        return dict(self.client.head_object(Bucket=self.name, Key=key))

    def table(self, key: str) -> Any:
        return pyarrow.parquet.read_table(io.BytesIO(self.body(key)))

    def manifest(self, relative: str) -> dict[str, Any]:
        return dict(json.loads(self.body(f"{MANIFESTS}{relative}.json")))

    def open_uploads(self) -> list[str]:
        """Return the keys of multipart uploads that were neither completed nor aborted."""
        pages = self.client.get_paginator("list_multipart_uploads").paginate(Bucket=self.name)
        return [upload["Key"] for page in pages for upload in page.get("Uploads", ())]
