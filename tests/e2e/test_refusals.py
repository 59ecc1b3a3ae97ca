"""Refused files among good ones cost the daemon no retry and no worker."""

import os
from collections import Counter

import pytest

from tests.certainty.test_refusals import GOOD, REFUSED
from tests.e2e.bucket import Bucket
from tests.e2e.conftest import MakeDaemon

EACH = 3000 if os.environ.get("TORTURE") else 60
# A worker is replaced after some thousand tasks, whatever they were.
FEW = 1000


@pytest.mark.timeout(1800 if os.environ.get("TORTURE") else 120)
def test_refusals_among_good_files_cost_no_retry_and_no_worker(make_daemon: MakeDaemon, objects: Bucket) -> None:
    daemon = make_daemon()
    texts = [text for text in REFUSED if text]  # a file of no bytes is delivered as it is
    daemon.start()
    (daemon.watch / "first.csv").write_bytes(GOOD[0])
    daemon.until_at_rest(1)
    before = {worker.pid for worker in daemon.workers()}
    for at in range(EACH):
        (daemon.watch / f"{at:04}-bad.csv").write_bytes(texts[at % len(texts)])
        (daemon.watch / f"{at:04}-good.csv").write_bytes(GOOD[at % len(GOOD)])
    daemon.until_at_rest(1 + 2 * EACH, timeout=1500)
    assert len(objects.delivered()) == 1 + EACH
    codes = Counter(event["code"].partition(".")[0] for event in daemon.failures())
    assert codes == {"csv": EACH}
    assert not list(daemon.events("file.retry"))
    if EACH < FEW:
        assert before <= {worker.pid for worker in daemon.workers()}, "another one may be made, none is replaced"
    assert daemon.stop() == 0
