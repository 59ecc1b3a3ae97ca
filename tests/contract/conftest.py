"""The store seen through a network that fails."""

import dataclasses
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from processor.domain.uploads import Protection
from processor.store.s3 import S3Store
from processor.store.settings import StoreSettings
from tests.contract.recording import PART
from tests.faultproxy import FaultProxy


@pytest.fixture
def proxy(target: StoreSettings) -> Iterator[FaultProxy]:
    place = urlsplit(target.endpoint)
    if place.scheme != "http" or place.hostname is None:
        pytest.skip("faults are put into plain HTTP only")
    with FaultProxy(place.port or 80, place.hostname) as running:
        yield running


@pytest.fixture
def store(request: pytest.FixtureRequest, bucket: S3Store, proxy: FaultProxy) -> Iterator[S3Store]:
    """The bucket seen through the proxy; the parameter is another protection than the best one."""
    protection = getattr(request, "param", bucket.protection)
    if protection is Protection.SHA256 and bucket.protection is not Protection.SHA256:
        pytest.skip("this store does not check SHA-256")
    proxy.checks_signed_bodies = protection is Protection.SIGNATURE
    settings = dataclasses.replace(
        bucket.settings,
        endpoint=proxy.endpoint,
        part_size_bytes=PART,
        read_timeout_seconds=3,
    )
    through = S3Store(settings, protection=protection, pause=lambda _: None)
    through.etag_is_md5 = bucket.etag_is_md5
    yield through
    through.close()
