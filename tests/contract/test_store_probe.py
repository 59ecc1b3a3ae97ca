"""The profile is what was tried, not what was claimed."""

import dataclasses

import orjson
import pytest

from processor.domain.uploads import Protection
from processor.store.embedded import EmbeddedStore
from processor.store.probe import probe
from processor.store.s3 import S3Store
from tests import seaweed
from tests.faultproxy import Fault, FaultProxy, Seen


def test_a_real_store_is_known_after_probing_and_left_clean(bucket: S3Store) -> None:
    profile = probe(bucket)
    assert profile.problem is None
    assert profile.reachable
    assert profile.writable
    assert profile.multipart
    assert profile.lists_uploads
    assert profile.protected
    assert abs(profile.clock_skew_seconds) < 60
    assert list(bucket.list_keys()) == []
    assert list(bucket.list_uploads()) == []
    assert orjson.loads(orjson.dumps(profile.as_dict()))["protection"] == profile.protection


def test_the_embedded_store_checks_sha256(server: EmbeddedStore) -> None:
    store = seaweed.fresh_bucket(seaweed.settings_for(server))
    profile = probe(store)
    seaweed.drop_bucket(store)
    assert profile.protection is Protection.SHA256
    assert profile.sha256_verified
    assert profile.part_sha256_verified
    assert profile.composite_sha256_returned
    assert profile.md5_verified
    assert profile.conditional_writes
    assert profile.metadata_kept


def test_a_missing_bucket_is_named_with_its_setting(bucket: S3Store) -> None:
    nowhere = S3Store(dataclasses.replace(bucket.settings, bucket="no-such-bucket-here"))
    profile = probe(nowhere)
    assert profile.reachable
    assert not profile.writable
    assert profile.problem is not None
    assert "S3_BUCKET" in str(profile.problem)


def test_a_store_that_is_away_is_named_with_its_setting(bucket: S3Store) -> None:
    away = S3Store(dataclasses.replace(bucket.settings, endpoint="http://127.0.0.1:9"))
    profile = probe(away)
    assert not profile.reachable
    assert profile.problem is not None
    assert "S3_ENDPOINT" in str(profile.problem)


def test_wrong_credentials_are_named_with_their_setting(bucket: S3Store) -> None:
    stranger = S3Store(dataclasses.replace(bucket.settings, secret_access_key="not the secret"))
    profile = probe(stranger)
    assert profile.problem is not None
    assert profile.problem.code == "store.credentials"
    assert "S3_SECRET_ACCESS_KEY" in str(profile.problem)
    assert "not the secret" not in repr(stranger.settings)


def is_put(seen: Seen) -> bool:
    return seen.method == "PUT"


def test_a_bucket_that_demands_encryption_is_named_with_the_setting(store: S3Store, proxy: FaultProxy) -> None:
    encryption = "x-amz-server-side-encryption"
    proxy.on(lambda seen: is_put(seen) and encryption not in seen.headers, Fault(answer=(403, "AccessDenied")), 99)
    proxy.on(is_put, Fault(raw=b'HTTP/1.1 200 OK\r\nETag: "x"\r\nContent-Length: 0\r\n\r\n'), 99)
    problem = probe(store).problem
    assert problem is not None
    assert (problem.code, problem.hint) == ("store.encryption", "set S3_SSE=AES256")


def test_the_probe_is_sent_as_a_delivery_is(store: S3Store, proxy: FaultProxy) -> None:
    settings = dataclasses.replace(store.settings, encrypt=True, storage_class="STANDARD_IA", tags=(("team", "data"),))
    proxy.on(lambda _: True, Fault(answer=(503, "ServiceUnavailable")), 99)
    probe(S3Store(settings))
    (seen, *_) = proxy.seen
    assert seen.headers["x-amz-server-side-encryption"] == "AES256"
    assert seen.headers["x-amz-storage-class"] == "STANDARD_IA"
    assert seen.headers["x-amz-tagging"] == "team=data"
    assert seen.headers["x-amz-meta-x-completed"] == "true"
    assert "x-amz-checksum-sha256" in seen.headers


def test_a_bucket_that_locks_objects_is_delivered_to(store: S3Store, bucket: S3Store, proxy: FaultProxy) -> None:
    checks = {"content-md5", "x-amz-checksum-sha256"}
    whole = lambda seen: is_put(seen) and "partNumber" not in seen.target  # noqa: E731
    proxy.on(lambda seen: whole(seen) and not checks & seen.headers.keys(), Fault(answer=(400, "InvalidRequest")), 99)
    proxy.on(lambda seen: seen.method == "DELETE", Fault(answer=(403, "AccessDenied")), 99)
    profiles = [probe(store), probe(store)]
    for profile in profiles:
        assert profile.problem is None
        assert profile.writable
        assert profile.lacks == ("s3:DeleteObject",)
    assert len(list(bucket.list_keys())) == 1, "always the same"


@pytest.mark.parametrize(
    ("method", "right"), [("PUT", "s3:PutObject"), ("HEAD", "s3:GetObject"), ("GET", "s3:ListBucketMultipartUploads")]
)
def test_a_right_that_is_missing_is_named(store: S3Store, proxy: FaultProxy, method: str, right: str) -> None:
    proxy.on(lambda seen: seen.method == method, Fault(answer=(403, "AccessDenied")), 99)
    problem = probe(store).problem
    assert problem is not None
    assert problem.code == "store.denied"
    assert right in problem.hint
