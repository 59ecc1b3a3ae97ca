"""The server that the first start and the tests run on."""

import contextlib
import hashlib
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from processor.domain.errors import DeliveryError
from processor.domain.uploads import ObjectRequest
from processor.store import embedded, embedded_binary
from processor.store.embedded import EmbeddedStore
from processor.store.s3 import Digest, S3Store
from tests import seaweed

WaitUntil = Callable[..., object]

CHILD = """
import sys, time
from pathlib import Path
from processor.domain.errors import DeliveryError
from processor.store import embedded, embedded_binary
from processor.store.embedded import EmbeddedStore
store = EmbeddedStore(Path(sys.argv[1]))
store.start()
print(store.pid, flush=True)
time.sleep(300)
"""


@pytest.fixture
def own(tmp_path: Path) -> Iterator[EmbeddedStore]:
    running = seaweed.started(tmp_path / "store")
    yield running
    running.stop(grace_seconds=0)


def put(store: S3Store, key: str) -> None:
    store.put_object(ObjectRequest(key), key.encode(), Digest(hashlib.sha256(key.encode()).digest()))


def test_objects_and_uploads_survive_a_stop_and_a_kill(own: EmbeddedStore) -> None:
    store = seaweed.fresh_bucket(seaweed.settings_for(own))
    put(store, "before")
    upload_id = store.create_upload(ObjectRequest("open"))
    credentials, endpoint = (own.access_key_id, own.secret_access_key), own.endpoint
    for end in (own.kill, own.stop):
        end()
        assert not own.running
        own.start()
        assert (own.access_key_id, own.secret_access_key) == credentials
        assert own.endpoint == endpoint
        assert b"".join(store.get("before")) == b"before"
        assert [upload.upload_id for upload in store.list_uploads()] == [upload_id]
        put(store, "after")


def test_only_loopback_is_listened_on_and_only_the_owner_may_read_the_credentials(own: EmbeddedStore) -> None:
    listening = [each for each in psutil.Process(own.pid).net_connections() if each.status == psutil.CONN_LISTEN]
    assert listening
    assert {each.laddr.ip for each in listening} == {"127.0.0.1"}
    assert stat.S_IMODE((own.directory / "s3.json").stat().st_mode) == 0o600
    assert own.secret_access_key not in " ".join(psutil.Process(own.pid).cmdline())


def test_signals_to_the_group_do_not_reach_it(own: EmbeddedStore) -> None:
    assert os.getpgid(own.pid) != os.getpgid(0)


def test_it_does_not_outlive_a_killed_parent(tmp_path: Path, wait_until: WaitUntil) -> None:
    with subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.send_signal(signal.SIGKILL)
        wait_until(lambda: not _alive(child))


def _alive(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


def test_what_it_keeps_is_the_owner_s_alone(own: EmbeddedStore) -> None:
    assert stat.S_IMODE(own.directory.stat().st_mode) == 0o700
    for name in ("data", "ports.json", "s3.json", "security.toml", "tls-key", "seaweedfs.log"):
        assert stat.S_IMODE((own.directory / name).stat().st_mode) & 0o077 == 0, name


def test_a_program_with_another_digest_is_not_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other, known = tmp_path / "weed", tmp_path / "known.json"
    other.write_bytes(b"#!/bin/sh\ntouch started\n")
    other.chmod(0o755)
    monkeypatch.setattr(embedded, "find_binary", lambda: other)
    with pytest.raises(DeliveryError) as refused:
        EmbeddedStore(tmp_path / "store").start()
    assert refused.value.failure.code == "store.embedded-unknown"
    assert "install the extra" in str(refused.value)
    assert not list(tmp_path.rglob("started"))

    # A state that was compared is not compared again; any other is.
    monkeypatch.setattr(embedded_binary, "DIGESTS", {"here": hashlib.sha256(other.read_bytes()).hexdigest()})
    embedded_binary.check_binary(other, known)
    monkeypatch.setattr(embedded_binary, "DIGESTS", {})
    embedded_binary.check_binary(other, known)
    os.utime(other)
    with pytest.raises(DeliveryError):
        embedded_binary.check_binary(other, known)
