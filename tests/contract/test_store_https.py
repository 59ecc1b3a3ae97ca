"""The same store over TLS, with a certificate authority of the test's own."""

import dataclasses
import hashlib
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from processor.delivery.object_upload import ObjectUpload
from processor.domain.errors import DeliveryError, ErrorClass
from processor.domain.uploads import ObjectRequest, Protection
from processor.store.embedded import EmbeddedStore, free_ports
from processor.store.probe import adopt, probe
from processor.store.s3 import S3Store
from tests import seaweed


def openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with `ca.pem` and a certificate for 127.0.0.1 that it signed."""
    here = tmp_path_factory.mktemp("authority")
    new = ["req", "-newkey", "rsa:2048", "-nodes", "-batch"]
    openssl(*new, "-x509", "-days", "2", "-subj", "/CN=test", "-keyout", here / "ca.key", "-out", here / "ca.pem")
    openssl(*new, "-subj", "/CN=127.0.0.1", "-keyout", here / "server.key", "-out", here / "server.csr")
    (here / "names").write_text("subjectAltName=IP:127.0.0.1")
    signed = ["-CA", here / "ca.pem", "-CAkey", here / "ca.key", "-CAcreateserial", "-days", "2"]
    openssl(
        "x509", "-req", "-in", here / "server.csr", *signed, "-extfile", here / "names", "-out", here / "server.pem"
    )
    return here


@pytest.fixture(scope="module")
def secure(authority: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Store]:
    (port,) = free_ports(1)
    tls = [f"-s3.port.https={port}", f"-s3.cert.file={authority}/server.pem", f"-s3.key.file={authority}/server.key"]
    running: EmbeddedStore = seaweed.started(tmp_path_factory.mktemp("secure"), *tls)
    plain = seaweed.fresh_bucket(seaweed.settings_for(running))
    store = S3Store(
        dataclasses.replace(
            plain.settings,
            endpoint=f"https://127.0.0.1:{port}",
            ca_bundle=authority / "ca.pem",
            part_size_bytes=5 * 1024 * 1024,
        )
    )
    yield store
    store.close()
    running.stop(grace_seconds=0)


@pytest.mark.parametrize("protection", Protection)
@pytest.mark.parametrize("size", [0, 1000, 11 * 1024 * 1024])
def test_objects_arrive_whole_over_tls(secure: S3Store, size: int, protection: Protection) -> None:
    body = random.Random(size).randbytes(size)
    store = S3Store(secure.settings, protection=protection)
    with ObjectUpload(store, ObjectRequest("object")) as upload:
        upload.write(body)
        stored = upload.finish()
    told = {Protection.SIGNATURE: "sha256:" if size > store.settings.part_size_bytes else "md5:"}
    assert stored.checksum.startswith(told.get(protection, f"{protection}:"))
    assert hashlib.sha256(b"".join(store.get("object"))).hexdigest() == stored.sha256
    store.close()


def test_probing_over_tls_finds_checksums_verified(secure: S3Store) -> None:
    profile = probe(secure)
    assert profile.problem is None
    assert profile.tls
    assert profile.sha256_verified
    adopt(secure, profile)
    assert secure.protection is Protection.SHA256


def test_a_certificate_of_an_unknown_authority_is_refused_with_a_hint(secure: S3Store) -> None:
    stranger = S3Store(dataclasses.replace(secure.settings, ca_bundle=None))
    with pytest.raises(DeliveryError) as caught:
        stranger.head("object")
    assert caught.value.failure.error_class is ErrorClass.OUTAGE
    assert caught.value.failure.code == "store.certificate"
    assert "S3_CA_BUNDLE" in caught.value.failure.hint
