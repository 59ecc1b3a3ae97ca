"""The dashboard over plain HTTP: what it shows, and whom it obeys."""

import http.client
import json
import re
from html import unescape
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import pytest

from processor.commands.status import LedgerState
from processor.dashboard.chart import bytes_chart, files_chart
from processor.dashboard.estimate import time_left
from processor.dashboard.filters import filter_from
from processor.dashboard.objects import object_page
from processor.dashboard.records import PAGE_ROWS, Bucket, Pace, Sort, failure_groups, search, throughput, totals
from processor.domain.status import Status
from processor.ledger.chosen import ChosenFiles
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


def ask(url: str, path: str = "/", form: dict[str, str] | None = None, method: str = "GET", **headers: str) -> Page:
    """Send a request with exactly these headers (underscores stand for dashes)."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    body = None if form is None else urlencode(form)
    if body is not None:
        given = {"Content-Type": FORM} | given
    connection.request(method if form is None else "POST", path, body, given)
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

    assert "all 1 values" in objects.replace("all 1 value ", "all 1 values "), "the reason of each type"
    assert "good.csv" in ask(url, "/files?q=GOOD").text
    assert "good.csv" not in ask(url, "/files?q=good&status=failed").text
    assert "No file is like that" in ask(url, "/files?q=%25").text, "a percent sign is a percent sign"
    for strange in ("/file?path=/nobody", "/file", "/objects?path=/etc/passwd", "/nothing", "/static/../server.py"):
        assert ask(url, strange).status == 404, strange
    odd = ("place=1~2~3&sort=x", "status=x&since=9999-99-99", "place=-%00~1", "q=%FF%00", "sort=name&place=%FF~1")
    for strange in ("/?span=x", *(f"/files?{each}" for each in odd)):
        assert ask(url, strange).status == 200, strange
    shown = (f"/file?path={path}", f"/objects?path={path}", "/", "/now", "/files", "/retry", "/feeds", "/style.css")
    for page in shown:
        head = ask(url, page, method="HEAD")
        assert (head.status, head.text) == (200, ""), page
        assert int(head.headers["Content-Length"]) > 500, page
    assert ask(url, "/nothing", method="HEAD").status == 404
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
    assert ask(url, "/retry", {"token": form["token"]}).status == 400, "many are asked for first"
    assert "Retry 1 file?" in ask(url, f"/retry?{urlencode(form)}").text, "a link but asks"
    assert daemon.statuses() == {"bad.csv": "failed"}

    for page in (ask(url), ask(url, "/live.js"), ask(url, "/nothing")):
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert page.headers["X-Content-Type-Options"] == "nosniff"
        assert "Set-Cookie" not in page.headers

    done = ask(url, "/retry", form, Origin=f"http://{netloc}", Sec_Fetch_Site="same-origin")
    assert done.status == 303
    assert "It is tried again" in ask(url, done.headers["Location"]).text
    daemon.until(lambda: daemon.statuses() == {"bad.csv": "completed"})


def test_an_address_that_can_not_be_listened_on_is_wrong_usage(daemon: Daemon) -> None:
    for listen in ("nonsense", "127.0.0.1:99999", "192.0.2.1:9465"):
        result = command(daemon, "dashboard", "--listen", listen)
        assert (result.returncode, "can not listen" in result.stderr) == (2, True), result.stderr
        assert "Traceback" not in result.stderr


def test_failures_are_retried_by_group_once_the_question_is_answered(
    daemon: Daemon, start_dashboard: StartDashboard
) -> None:
    for name in ("bad-1.csv", "bad-2.csv", "other.csv"):
        (daemon.watch / name).write_text("a,b\n1,2\n1,2,3\n")
    (daemon.watch / "broken.json").write_text('{"a": ')
    daemon.start()
    daemon.until_at_rest(4)
    url = start_dashboard(daemon)
    page = unescape(ask(url, "/files?status=failed&q=bad").text)
    link = "/retry?q=bad&status=failed&code=csv.malformed-rows&feed=%28none%29"
    assert f'href="{link}"' in page
    assert "broken.json" not in page
    question = unescape(ask(url, link).text)
    assert "Retry 2 files?" in question
    assert ("bad-1.csv" in question, "other.csv" in question) == (True, False)
    form = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', question))
    for name in ("bad-1.csv", "bad-2.csv"):
        (daemon.errors / name).write_text("a,b\n1,2\n")
    assert daemon.statuses()["bad-1.csv"] == "failed", "a question changes nothing"
    done = ask(url, "/retry", form)
    assert done.status == 303
    assert "2 files are tried again" in ask(url, done.headers["Location"]).text
    daemon.until(lambda: daemon.statuses()["bad-2.csv"] == daemon.statuses()["bad-1.csv"] == "completed")
    assert daemon.statuses()["other.csv"] == "failed"
    assert "No failed file is like that" in ask(url, link).text


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """A ledger of 120 files, one second apart: every tenth failed, every third is of a feed, the rest is pending."""
    path = tmp_path / "ledger.db"
    written = Ledger(path, b"/in")
    for number in range(120):
        written.found([Found(f"d/{number:03}_x.csv".encode(), number, 1)], 1_000_000 + number * 1000)
    written._write("UPDATE file_progress SET status='failed', error_message='line ' || id WHERE id % 10 = 0")
    written._write("INSERT INTO feeds (id, name, digest) VALUES (1, 'orders', 'x')")
    written._write("INSERT INTO feed_files SELECT id, 1 FROM file_progress WHERE id % 3 = 0")
    for at, (code, rows) in enumerate((("csv.old", "1"), ("csv.malformed-rows", "1"), ("json.syntax", "id=20"))):
        detail = json.dumps({"failure": {"code": code}})
        which = f"SELECT id, ?, 'failed', ? FROM file_progress WHERE status='failed' AND {rows}"
        written._write(f"INSERT INTO history {which}", at, detail)
    written.close()
    return path


@pytest.mark.parametrize("sort", Sort)
def test_pages_of_a_search_hold_every_match_once_there_and_back(ledger: Path, sort: Sort) -> None:
    for status, expected in ((None, 120), (Status.PENDING, 108), (Status.FAILED, 12), (Status.COMPLETED, 0)):
        selection = ChosenFiles("_X.CSV", status)
        pages = [search(ledger, selection, sort)]
        while pages[-1].after is not None:
            pages.append(search(ledger, selection, sort, pages[-1].after))
        paths = [row["file_path"] for page in pages for row in page.files]
        assert len(paths) == totals(ledger, selection).files == expected
        backwards = sort in (Sort.LATEST, Sort.LARGEST)
        assert paths == sorted(set(paths), reverse=backwards)
        assert all(len(page.files) <= PAGE_ROWS for page in pages)
        for page, back in pairwise(pages):
            assert back.before is not None
            assert search(ledger, selection, sort, back.before).files == page.files
        assert pages[0].before is None
    assert search(ledger, ChosenFiles("0xx"), sort).files == (), "an underscore is an underscore"


def test_failures_are_grouped_and_chosen_by_reason_feed_and_day(ledger: Path) -> None:
    groups = failure_groups(ledger, ChosenFiles()).groups
    assert [(group.code, group.feed, group.files) for group in groups] == [
        ("csv.malformed-rows", "", 7),
        ("csv.malformed-rows", "orders", 4),
        ("json.syntax", "", 1),
    ]
    assert groups[0].message == "line 110"
    for text, files in (
        ("code=csv.malformed-rows", 11),
        ("code=csv.old", 0),
        ("code=csv.malformed-rows&feed=orders", 4),
        ("feed=(none)&status=failed", 8),
        ("feed=orders", 40),
        ("q=d/00", 10),
        ("since=1970-01-01&until=1970-01-01", 120),
        ("since=1970-01-02", 0),
        ("until=1969-12-31", 0),
        ("since=nonsense&status=nonsense&sort=nonsense", 120),
    ):
        chosen = filter_from(dict(parse_qsl(text)))
        assert totals(ledger, chosen.selection()).files == files, text
        assert filter_from(dict(parse_qsl(chosen.link()))) == chosen


def test_the_time_left_goes_by_bytes_and_says_what_it_does_not_know() -> None:
    def state(flights: tuple[dict[str, Any], ...] | None = (), **more: Any) -> LedgerState:
        counts = {"pending": 50, "in_progress": 0, "completed": 0, "failed": 0}
        return LedgerState(counts, {"pending": 600}, 0, 0, None, None, (), flights, 0, 0, **more)

    ten_minutes, now = 600_000, 10**9
    calm = Pace(files=50, size_bytes=600, began_ms=now - ten_minutes)
    assert time_left(state(), calm, now) == ("about 10 min 0 s", "")
    assert time_left(state(), Pace(50, 600, now - 1000), now) == ("about 1 s", ""), "work began a second ago"
    assert (
        time_left(state(), Pace(25, 1200, calm.began_ms), now)[0] == "5 min 0 s by bytes, 20 min 0 s by number of files"
    )
    assert time_left(state(watch={"open": 1}), calm, now)[1] == "files that are still being written are not counted"
    flight = {"uploaded_bytes": 300, "size_bytes": 600, "seconds": 60.0}
    assert time_left(state((flight,)), Pace(0, 0, now), now) == ("about 1 min 0 s", "")
    assert time_left(state(), Pace(0, 0, now), now) == ("", "nothing was delivered in the last 10 minutes")
    assert time_left(state(None), calm, now) == ("", "no daemon is running")
    assert time_left(state(hindrances=("the store is out",)), calm, now) == ("", "the store is out")


def test_objects_are_searched_and_added_up() -> None:
    entries = [{"key": f"a.zip/{n:03}.csv.parquet", "size_bytes": 2, "rows": n, "rejected_rows": 1} for n in range(250)]
    entries += [{"member": "link", "omitted": "a link"}]
    every = object_page(entries, "", 0)
    assert (every.objects, every.omitted, every.size_bytes) == (250, 1, 500)
    assert (every.rows, every.rejected_rows) == (31125, 250)
    assert (len(every.entries), every.after) == (100, 100)
    last = object_page(entries, "", 200)
    assert (len(last.entries), last.after, last.before) == (51, None, 100)
    some = object_page(entries, "/00", 0)
    assert (some.objects, some.rows, some.after) == (10, 45, None)
    assert object_page(entries, "LINK", 0).entries == ({"member": "link", "omitted": "a link"},)


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
    assert re.search(r"1 delivered</a>, 1 under an older declaration, <a[^>]*>1 failed</a>", page)
    assert "&lt;b&gt;id" in page
    assert "BIGINT" in page
    assert 'aria-current="page">Feeds' in page
