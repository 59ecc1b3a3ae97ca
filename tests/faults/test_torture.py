"""A few minutes of bad luck, and whether the harness would notice if the daemon broke its word."""

import os
import random
import sqlite3
from pathlib import Path

import pytest

from tests.e2e.bucket import Bucket
from tests.e2e.daemon import Daemon
from tests.examples import MANY
from tests.faults import chaos
from tests.faults.checker import Checker
from tests.faults.contents import HOSTILE, good
from tests.faults.generator import sha256
from tests.faults.names import written


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_chaos_for_a_while_breaks_no_promise(tmp_path: Path) -> None:
    seed = int(os.environ.get("TORTURE_SEED", random.SystemRandom().randrange(10**9) if MANY else 20261130))
    print(f"replay with TORTURE_SEED={seed}")
    report = chaos.run(tmp_path / "chaos", seed, seconds=60 if MANY else 20, pace_seconds=0.08)
    print(report.text())
    assert report.violations == [], f"seed {seed}"
    assert report.kills >= 2
    assert report.checked["files"] > 30
    assert report.highest["rss_mb"] < 150, "MiB: the main process stays small, whatever is on its way"


@pytest.fixture
def delivered(daemon: Daemon) -> Daemon:
    """A daemon that has delivered some of everything, and failed some."""
    rng = random.Random(11)
    for number in range(30):
        content = good(rng)
        (daemon.watch / f"{number}{content.suffix}").write_bytes(content.data)
    for number, make in enumerate(HOSTILE):
        content = make(rng)
        (daemon.watch / f"hostile-{number}{content.suffix}").write_bytes(content.data)
    assert daemon.once() == 1
    return daemon


def check(daemon: Daemon, objects: Bucket) -> list[str]:
    fates = {}
    rng = random.Random(11)
    contents = [*(good(rng) for _ in range(30)), *(make(rng) for make in HOSTILE)]
    for content in contents:
        fates[sha256(content.data)] = content.fate
    return Checker(daemon.watch, daemon.errors, daemon.ledger, objects, fates).run()


def test_the_checker_finds_nothing_wrong_with_a_good_delivery_and_each_thing_wrong_with_a_bad_one(
    delivered: Daemon,
    objects: Bucket,
) -> None:
    assert check(delivered, objects) == []
    key = next(key for key in sorted(objects.delivered()) if key.endswith(".csv.parquet"))
    body, metadata = objects.body(key), objects.head(key)["Metadata"]
    client, bucket = objects.client, objects.name

    client.put_object(Bucket=bucket, Key=key, Body=body[:-1] + b"?", Metadata=metadata)
    assert any("not what its manifest says" in each for each in check(delivered, objects))
    client.delete_object(Bucket=bucket, Key=key)
    assert any("is not there" in each for each in check(delivered, objects))
    client.put_object(Bucket=bucket, Key=key, Body=body, Metadata=metadata)
    assert check(delivered, objects) == []

    client.put_object(Bucket=bucket, Key="stranger", Body=b"x")
    assert any("an object of nobody" in each for each in check(delivered, objects))
    client.delete_object(Bucket=bucket, Key="stranger")

    upload = client.create_multipart_upload(Bucket=bucket, Key="open")["UploadId"]
    assert any("left open" in each for each in check(delivered, objects))
    client.abort_multipart_upload(Bucket=bucket, Key="open", UploadId=upload)

    lost = delivered.watch / "never told"
    lost.write_bytes(b"x")
    assert any("does not know it" in each for each in check(delivered, objects))
    lost.unlink()

    reason = next(delivered.errors.rglob("*.reason.json"))
    reason.rename(delivered.home / "reason")
    assert any("reason" in each for each in check(delivered, objects))
    (delivered.home / "reason").rename(reason)

    with sqlite3.connect(delivered.ledger) as ledger:
        ledger.execute("UPDATE file_progress SET status='in_progress' WHERE id=1")
    assert any("has not come to its end" in each for each in check(delivered, objects))


def test_values_are_compared_and_a_changed_one_is_found(delivered: Daemon, objects: Bucket) -> None:
    from tests.faults.values import differences  # noqa: PLC0415

    table = next(path for path in sorted(delivered.watch.iterdir()) if path.suffix == ".csv" and path.stem.isdigit())
    source, parquet = table.read_bytes(), objects.body(f"{written(os.fsencode(table.name))}.parquet")
    assert differences(".csv", source, parquet) == ""
    last = source.rstrip(b"\n").rpartition(b"\n")[2]
    assert differences(".csv", source.replace(last, last.replace(b",", b",9", 1)), parquet)
    assert differences(".csv", source[: -len(last) - 1], parquet)
