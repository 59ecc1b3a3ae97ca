"""The dashboard in a real Chromium: live, searchable, obeyed, on a phone, in the dark, with hostile names."""

import os
import re
from collections.abc import Callable, Iterator
from itertools import product

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import MakeDaemon
from tests.e2e.daemon import Daemon
from tests.e2e.trees import MIB
from tests.operate import browser as chromium
from tests.operate.conftest import StartDashboard
from tests.operate.test_dashboard import HOSTILE

pytestmark = pytest.mark.skipif(
    chromium.chromium() is None and "CI" not in os.environ, reason="no Chromium: tests/install-programs.sh"
)
OpenPage = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium.running() as running:
        yield running


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Open pages in which nothing may go wrong: no error, no dialog, nothing that the policy had to forbid."""
    troubles: list[str] = []
    contexts = []

    def open_one(url: str, width: int = 1200, scheme: str = "light") -> Page:
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
        page.on("dialog", lambda dialog: troubles.append(dialog.message))
        page.goto(url)
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert troubles == []


@pytest.fixture
def busy(make_daemon: MakeDaemon) -> Daemon:
    """A daemon with a delivered table, a failed file of a hostile name, and a large one on its slow way."""
    daemon = make_daemon(MAX_BANDWIDTH=4 * MIB)
    (daemon.watch / "table.csv").write_text("id,name,booked\n1,a,2026-01-02\n")
    (daemon.watch / HOSTILE).write_text("a,b\n1,2\n1,2,3\n")
    daemon.start()
    daemon.until_at_rest(2)
    (daemon.watch / "large.bin").write_bytes(os.urandom(120 * MIB))
    daemon.until(lambda: daemon.statuses().get("large.bin") == "in_progress")
    return daemon


def test_the_page_lives_and_mends(busy: Daemon, start_dashboard: StartDashboard, open_page: OpenPage) -> None:
    url = start_dashboard(busy)
    page = open_page(url)
    expect(page.locator("#count-completed")).to_have_text("1")
    expect(page.locator("#flights")).to_contain_text("large.bin")
    expect(page.locator("#flights")).to_contain_text("streaming")
    expect(page.locator("#rate")).to_contain_text("B", timeout=60_000)
    expect(page.locator("#chart svg rect.good").first).to_be_attached()
    expect(page.locator("#chart svg rect.bad").first).to_be_attached()
    page.evaluate("window.stayed = true")
    (busy.watch / "new.txt").write_text("text")
    expect(page.locator("#count-completed")).to_have_text("2", timeout=30_000)
    assert page.evaluate("window.stayed"), "the page was not loaded again"

    page.get_by_role("link", name="Files", exact=True).click()
    page.get_by_role("searchbox").fill("TABLE")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("table.files tbody tr")).to_have_count(1)
    page.get_by_role("link", name="table.csv").click()
    expect(page.locator("#objects")).to_contain_text("table.csv.parquet", timeout=30_000)
    expect(page.locator("#objects table.columns")).to_contain_text("booked")
    expect(page.locator("#objects table.columns")).to_contain_text("DATE")

    page.get_by_role("link", name="Failures").click()
    expect(page.get_by_role("link", name=HOSTILE)).to_be_visible()
    expect(page.locator("img")).to_have_count(0)
    (busy.errors / HOSTILE).write_text("a,b\n1,2\n")
    page.get_by_role("button", name="Retry", exact=True).click()
    expect(page.get_by_role("status")).to_have_text("Taken up again.")
    busy.until(lambda: busy.statuses()[HOSTILE] == "completed", timeout=60)


def test_every_page_fits_a_phone_and_is_legible_by_day_and_night(
    busy: Daemon, start_dashboard: StartDashboard, open_page: OpenPage
) -> None:
    url = start_dashboard(busy)
    long = busy.watch / ("long" * 60 + ".txt")
    long.write_text("text")
    busy.until(lambda: busy.statuses().get(long.name) == "completed", timeout=60)
    paths = ("", "files", "files?status=failed", f"file?path={busy.watch}/table.csv", f"file?path={long}")
    for path, scheme in product(paths, ("light", "dark")):
        page = open_page(url + path, 360, scheme)
        expect(page.locator("main")).to_be_visible()
        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0, path
        assert _contrast(page, "main") > 7, path
        for button in page.get_by_role("button").all():
            box = button.bounding_box()
            assert box is not None
            assert box["height"] >= 36, "a finger finds it"


def _contrast(page: Page, selector: str) -> float:
    """Return the contrast of text and ground as WCAG 2 has it."""
    text, ground = page.evaluate(
        "selector => [getComputedStyle(document.querySelector(selector)).color,"
        " getComputedStyle(document.body).backgroundColor]",
        selector,
    )
    lighter, darker = sorted((_luminance(text), _luminance(ground)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    channels = [int(value) / 255 for value in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
