"""A process killed at any moment of a large upload goes on where it was."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from processor.store.embedded import EmbeddedStore
from processor.store.s3 import S3Store
from tests.faultproxy import FaultProxy

PART = 5 * 1024 * 1024
LONG = bool(os.environ.get("TORTURE"))
PARTS = 24 if LONG else 10
KILLS = 20 if LONG else 7

UPLOADER = """
import dataclasses, os, sys, orjson
from pathlib import Path
from processor.domain.uploads import ObjectRequest, Part, Resumption
from processor.delivery.file_upload import transfer_file
from processor.store.s3 import S3Store
from processor.store.settings import StoreSettings

source, ledger = Path(sys.argv[1]), Path(sys.argv[2])
settings = StoreSettings(**orjson.loads(sys.stdin.read()))

class Ledger:
    def __init__(self):
        self.state = orjson.loads(ledger.read_bytes()) if ledger.exists() else None

    def commit(self):
        draft = ledger.with_suffix(".new")
        draft.write_bytes(orjson.dumps(self.state))
        draft.rename(ledger)

    def upload_created(self, key, upload_id):
        self.state = {"id": upload_id, "parts": []}
        self.commit()

    def part_stored(self, key, part):
        self.state["parts"].append(dataclasses.asdict(part))
        self.commit()

    def upload_ended(self, key, upload_id):
        self.state = None
        self.commit()

recorder = Ledger()
resumption = recorder.state and Resumption(
    recorder.state["id"], {part["number"]: Part(**part) for part in recorder.state["parts"]}
)
fd = os.open(source, os.O_RDONLY)
print(transfer_file(S3Store(settings), ObjectRequest("big"), fd, recorder=recorder, resumption=resumption).sha256)
"""


@pytest.fixture
def proxy(server: EmbeddedStore) -> Iterator[FaultProxy]:
    with FaultProxy(server.port) as running:
        yield running


def start(source: Path, ledger: Path, bucket: S3Store, proxy: FaultProxy) -> subprocess.Popen[bytes]:
    settings = bucket.settings
    process = subprocess.Popen(
        [sys.executable, "-c", UPLOADER, source, ledger], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    given = {
        "bucket": settings.bucket,
        "endpoint": proxy.endpoint,
        "access_key_id": settings.access_key_id,
        "secret_access_key": settings.secret_access_key,
        "part_size_bytes": PART,
    }
    process.stdin.write(orjson.dumps(given))
    process.stdin.close()
    return process


@pytest.mark.slow
def test_an_upload_killed_at_random_moments_sends_again_at_most_the_part_in_flight(
    bucket: S3Store, proxy: FaultProxy, tmp_path: Path
) -> None:
    seed = int(os.environ.get("TEST_SEED", "7"))
    chance = random.Random(seed)
    source, ledger = tmp_path / "source", tmp_path / "ledger"
    body = chance.randbytes(PARTS * PART - 99)
    source.write_bytes(body)
    for _ in range(KILLS):
        seen = len(parts_sent(proxy))
        process = start(source, ledger, bucket, proxy)
        deadline = time.monotonic() + 30
        wanted = seen + chance.choice([0, 1, 1, 2])
        while len(parts_sent(proxy)) < wanted and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(chance.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
    with start(source, ledger, bucket, proxy) as last:
        assert last.stdout is not None
        assert last.stdout.read().decode().strip() == hashlib.sha256(body).hexdigest()
    assert len(parts_sent(proxy)) <= PARTS + KILLS, f"seed {seed}"
    assert hashlib.sha256(b"".join(bucket.get("big"))).digest() == hashlib.sha256(body).digest()


def parts_sent(proxy: FaultProxy) -> list[int]:
    return [seen.part for seen in list(proxy.seen) if seen.part]
