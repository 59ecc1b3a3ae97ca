"""The dashboard over plain HTTP: what it shows, and whom it obeys."""

import http.client
import re
from html import unescape
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

import pytest

from processor.dashboard.chart import bytes_chart, files_chart
from processor.dashboard.records import PAGE_ROWS, Bucket, search, throughput
from processor.domain.jobs import Status
from processor.ledger.records import Found
from processor.ledger.writer import Ledger
from tests.e2e.daemon import Daemon
from tests.operate.conftest import StartDashboard, command

HOSTILE = '"><img src=x onerror=alert(1)>.csv'
FORM = "application/x-www-form-urlencoded"


class Page:
    """One answer."""

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self.status = answer.status
        self.headers = answer.headers
        self.text = answer.read().decode()


def ask(url: str, path: str = "/", form: dict[str, str] | None = None, **headers: str) -> Page:
    """Send a request with exactly these headers (underscores stand for dashes)."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    body = None if form is None else urlencode(form)
    if body is not None:
        given = {"Content-Type": FORM} | given
    connection.request("GET" if form is None else "POST", path, body, given)
    page = Page(connection.getresponse())
    connection.close()
    return page


def token(url: str) -> str:
    found = re.search(r'name="token" value="([^"]+)"', ask(url, "/files?status=failed").text)
    assert found
    return found[1]


def test_it_shows_how_things_stand_escapes_names_and_needs_no_daemon(
    daemon: Daemon, start_dashboard: StartDashboard
) -> None:
    url = start_dashboard(daemon)
    empty = ask(url)
    assert (empty.status, "there is no ledger" in empty.text) == (503, True)

    (daemon.watch / HOSTILE).write_text("a,b\n1,2\n1,2,3\n")
    (daemon.watch / "good.csv").write_text("id,na<b>me\n1,a\n")
    assert daemon.once() == 1
    home = ask(url)
    assert home.status == 200
    assert "No daemon is running" in home.text
    assert re.search(r'id="count-completed">1<', home.text)
    assert "<img" not in home.text
    assert HOSTILE in unescape(home.text)

    path = quote(str(daemon.watch / "good.csv"))
    assert "completed" in ask(url, f"/file?path={path}").text
    objects = ask(url, f"/objects?path={path}").text
    assert "good.csv.parquet" in objects
    assert "na&lt;b&gt;me" in objects
    assert "<b>me" not in objects

    assert "good.csv" in ask(url, "/files?q=GOOD").text
    assert "good.csv" not in ask(url, "/files?q=good&status=failed").text
    assert "No file is like that" in ask(url, "/files?q=%25").text, "a percent sign is a percent sign"
    for strange in ("/file?path=/nobody", "/file", "/objects?path=/etc/passwd", "/nothing", "/static/../server.py"):
        assert ask(url, strange).status == 404, strange
    for strange in ("/files?before=1.2.3", "/files?status=x", "/?span=x", "/files?before=%00", "/files?q=%FF%00"):
        assert ask(url, strange).status == 200, strange
    refused = ask(url, "/retry", {"token": token(url), "path": str(daemon.watch / HOSTILE)})
    assert (refused.status, "no daemon is running" in refused.text) == (503, True)


def test_it_obeys_its_own_pages_alone(daemon: Daemon, start_dashboard: StartDashboard) -> None:
    (daemon.watch / "bad.csv").write_text("a,b\n1,2\n1,2,3\n")
    daemon.start()
    daemon.until_at_rest(1)
    (daemon.errors / "bad.csv").write_text("a,b\n1,2\n")
    url = start_dashboard(daemon, "--name", "files.example")
    netloc = urlsplit(url).netloc
    form = {"path": str(daemon.watch / "bad.csv"), "token": token(url)}

    assert ask(url, Host="evil.example").status == 421, "a rebound name"
    assert ask(url, Host="files.example").status == 200
    assert ask(url, Host=f"localhost:{netloc.rpartition(':')[2]}").status == 200
    assert ask(url, "/retry", {"path": form["path"]}).status == 403
    assert ask(url, "/retry", form | {"token": "x" * 32}).status == 403
    assert ask(url, "/retry", form, Origin="http://evil.example").status == 403
    assert ask(url, "/retry", form, Origin="null").status == 403
    assert ask(url, "/retry", form, Sec_Fetch_Site="cross-site").status == 403
    assert ask(url, "/retry", form, Content_Length="9999999").status == 413
    assert ask(url, f"/retry?{urlencode(form)}").status == 404, "a link changes nothing"
    assert daemon.statuses() == {"bad.csv": "failed"}

    for page in (ask(url), ask(url, "/live.js"), ask(url, "/nothing")):
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert page.headers["X-Content-Type-Options"] == "nosniff"
        assert "Set-Cookie" not in page.headers

    done = ask(url, "/retry", form, Origin=f"http://{netloc}", Sec_Fetch_Site="same-origin")
    assert done.status == 303
    assert "Taken up again" in ask(url, done.headers["Location"]).text
    daemon.until(lambda: daemon.statuses() == {"bad.csv": "completed"})


def test_an_address_that_can_not_be_listened_on_is_wrong_usage(daemon: Daemon) -> None:
    for listen in ("nonsense", "127.0.0.1:99999", "192.0.2.1:9465"):
        result = command(daemon, "dashboard", "--listen", listen)
        assert (result.returncode, "can not listen" in result.stderr) == (2, True), result.stderr
        assert "Traceback" not in result.stderr


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """A ledger of 120 files; every tenth failed, the rest is pending, one second apart."""
    path = tmp_path / "ledger.db"
    written = Ledger(path, b"/in")
    for number in range(120):
        written.found([Found(f"d/{number:03}_x.csv".encode(), number, 1)], 1_000_000 + number * 1000)
    written._write("UPDATE file_progress SET status='failed' WHERE id % 10 = 0")
    written.close()
    return path


def test_pages_of_a_search_hold_every_match_once_the_latest_first(ledger: Path) -> None:
    for status, expected in ((None, 120), (Status.PENDING, 108), (Status.FAILED, 12), (Status.COMPLETED, 0)):
        seen: list[str] = []
        before: str | None = ""
        while before is not None:
            rows = search(ledger, "_X.CSV", status, before)
            seen += [row["file_path"] for row in rows.files]
            before = rows.older
            assert len(rows.files) <= PAGE_ROWS
        assert seen == sorted(set(seen), reverse=True)
        assert len(seen) == expected
    assert search(ledger, "0xx", None).files == (), "an underscore is an underscore"


def test_throughput_counts_each_end_in_its_stretch_of_time(ledger: Path) -> None:
    buckets = throughput(ledger, 1_119_000, 60_000, 3)
    assert [bucket.start_ms for bucket in buckets] == [960_000, 1_020_000, 1_080_000]
    assert [bucket.failed for bucket in buckets] == [2, 6, 4]
    assert sum(bucket.completed for bucket in buckets) == 0


def test_bars_are_as_high_as_their_values_and_stand_on_each_other() -> None:
    buckets = (Bucket(0), Bucket(60_000, completed=30, failed=10, size_bytes=2_000_000), Bucket(120_000, completed=15))
    chart = files_chart(buckets)
    empty, full, half = chart.bars
    assert (empty.good_height, empty.bad_height) == (0, 0)
    assert full.good_height == pytest.approx(2 * half.good_height)
    assert full.good_height == pytest.approx(3 * full.bad_height)
    assert full.bad_y + full.bad_height == pytest.approx(full.good_y, abs=0.02)
    assert [label.text for label in chart.levels] == ["0", "20", "40"]
    assert chart.total == "45 delivered, 10 failed"
    assert [label.text for label in bytes_chart(buckets).levels] == ["0 B", "1 MB", "2 MB"]


def test_feeds_are_shown_with_their_files_and_columns(daemon: Daemon, start_dashboard: StartDashboard) -> None:
    feeds = daemon.home / "feeds.toml"
    daemon.environment["FEEDS"] = str(feeds)
    feeds.write_text('[[feed]]\nname = "logs"\nmatch = ["*.dat"]\nformat = "csv"\n')
    (daemon.watch / "a.dat").write_text("id\n1\n")
    (daemon.watch / "b.dat").write_text("id\n1,2,3\n4,5\n6\n7,8\n")
    (daemon.watch / "other.txt").write_text("x")
    daemon.once()
    feeds.write_text(
        '[[feed]]\nname = "logs"\nmatch = ["*.dat"]\nformat = "csv"\n[feed.columns]\n'
        '"<b>id" = { type = "BIGINT", rename = "id" }\n'
    )
    url = start_dashboard(daemon)
    page = ask(url, "/feeds").text
    assert re.search(r"1 delivered, 1 under an older declaration, <strong>1 refused</strong>", page)
    assert "&lt;b&gt;id" in page
    assert "BIGINT" in page
    assert 'aria-current="page">Feeds' in page
