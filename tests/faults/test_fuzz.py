"""Damaged files of every kind through the whole way: each has its end, and none finds a bug in a worker."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.domain.files import FileType
from processor.steps.detection import detect
from tests.e2e.bucket import Bucket
from tests.e2e.conftest import MakeDaemon
from tests.faults.checker import Checker
from tests.faults.contents import HOSTILE, Content, Fate, good
from tests.faults.generator import sha256
from tests.faults.names import real_suffix, suffix_of

_BUGS = {"worker.bug", "worker.died", "worker.silent", "worker.memory"}
_SUFFIXES = st.sampled_from([".csv", ".json", ".jsonl", ".xml", ".zip", ".tar", ".tar.gz", ".gz", ".zst", ".bin", ""])
_HEADS = st.one_of(st.binary(max_size=600), st.sampled_from([b"PK\x03\x04", b"\x1f\x8b\x08", b"\x89PNG\r\n\x1a\n"]))


@given(name=st.binary(min_size=1, max_size=40), suffix=_SUFFIXES, head=_HEADS)
def test_any_name_and_any_bytes_are_of_some_kind_and_without_a_known_suffix_regular(
    name: bytes, suffix: str, head: bytes
) -> None:
    whole = name.replace(b"/", b"_") + suffix.encode()
    kind = detect(whole, head)
    if not suffix_of(whole):
        assert kind.type is FileType.REGULAR
        assert not kind.mismatch
    if not head:
        assert kind.type is FileType.REGULAR
    if kind.mismatch:
        assert kind.type is FileType.REGULAR
        assert suffix_of(whole)
    if kind.type is not FileType.REGULAR and suffix_of(whole) not in (".zip", ".tar"):
        assert real_suffix(whole, head)


def damaged(rng: random.Random) -> Content:
    """Return a file with a few bytes changed, doubled, dropped or cut off."""
    content = rng.choice((good, good, rng.choice(HOSTILE)))(rng)
    data = bytearray(content.data[:200_000])
    for _ in range(rng.randrange(1, 6)):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(4):
            case 0 if at < len(data):
                data[at] = rng.randrange(256)
            case 1:
                data[at:at] = data[at : at + rng.randrange(1, 50)] or b"\0"
            case 2:
                del data[at : at + rng.randrange(1, 20)]
            case _:
                del data[len(data) - rng.randrange(len(data) // 4 + 1) :]
    return Content(content.suffix, bytes(data), Fate.EITHER)


@pytest.mark.slow
def test_damaged_files_of_every_kind_have_their_end_and_find_no_bug(make_daemon: MakeDaemon, objects: Bucket) -> None:
    seed = random.SystemRandom().randrange(10**9)
    print(f"seed {seed}")
    rng = random.Random(seed)
    daemon = make_daemon(MAX_RETRIES=0)
    fates = {}
    for number in range(200):
        content = damaged(rng)
        (daemon.watch / f"{number}{content.suffix}").write_bytes(content.data)
        fates[sha256(content.data)] = Fate.EITHER

    assert daemon.once(timeout=240) in (0, 1), daemon.tail()

    bugs = [fields for fields in daemon.failures() if fields.get("code") in _BUGS]
    assert bugs == [], f"seed {seed}"
    assert Checker(daemon.watch, daemon.errors, daemon.ledger, objects, fates).run() == [], f"seed {seed}"
    assert len(daemon.statuses()) == 200
