"""The profile is what was tried, not what was claimed."""

import dataclasses

import orjson

from processor.domain.uploads import Protection
from processor.store.embedded import EmbeddedStore
from processor.store.probe import probe
from processor.store.s3 import S3Store
from tests import seaweed


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
