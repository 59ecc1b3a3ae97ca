"""The dashboard in a real Chromium: live, searchable, obeyed, on a phone, in the dark, with hostile names."""

import os
import re
import zipfile
from collections.abc import Callable, Iterator
from typing import Literal
from urllib.parse import quote, unquote

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

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
expect.set_options(timeout=30_000)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
# What anybody may need who does not see or point as most do (WCAG 2.2, AA); returns what is wrong.
AUDIT = """() => {
  const wrong = [];
  const channel = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const numbers = (text) => text.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const ground = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const colour = numbers(getComputedStyle(each).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  let texts = 0;
  for (const element of document.body.querySelectorAll("*")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.checkVisibility() || element.matches(".sr, .skip, option, noscript")) continue;
    texts += 1;
    const style = getComputedStyle(element);
    const colour = element instanceof SVGElement ? style.fill : style.color;
    const [low, high] = [luminance(numbers(colour)), luminance(ground(element))].sort((a, b) => a - b);
    const ratio = (high + 0.05) / (low + 0.05);
    if (ratio < 4.5) wrong.push(`contrast ${ratio.toFixed(2)}: ${element.textContent.trim().slice(0, 40)}`);
  }
  if (texts < 5) wrong.push(`only ${texts} texts were looked at`);
  const names = [...document.querySelectorAll("button, a.button")].map((b) => b.ariaLabel || b.textContent.trim());
  for (const name of names) if (names.indexOf(name) !== names.lastIndexOf(name)) wrong.push(`two buttons: ${name}`);
  for (const th of document.querySelectorAll("th")) if (!th.scope) wrong.push(`no scope: ${th.textContent}`);
  for (const td of document.querySelectorAll("table"))
    if (!td.querySelector("thead th")) wrong.push("a table without headers");
  for (const field of document.querySelectorAll("input:not([type=hidden]), select"))
    if (!field.labels.length && !field.ariaLabel) wrong.push(`no label: ${field.name}`);
  if (document.querySelectorAll("h1").length !== 1) wrong.push("not one h1");
  return wrong;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium.running() as running:
        yield running


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Open pages in which nothing may go wrong: no error, no dialog, nothing that the policy had to forbid."""
    troubles: list[str] = []
    contexts = []

    def open_one(url: str, width: int = 1200) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 800})
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("console", lambda message: troubles.append(message.text) if _is_trouble(message) else None)
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
    daemon = make_daemon(MAX_BANDWIDTH=4 * MIB, CATALOG_TYPE="sql")
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
    expect(page.locator("#flights")).to_contain_text("uploading")
    expect(page.locator(".health .bad")).to_have_count(0)
    expect(page.locator(".health")).to_contain_text("version 0")
    expect(page.locator(".health")).to_contain_text(f"bucket {busy.environment['S3_BUCKET']}")
    expect(page.locator("#left")).to_contain_text("at the pace of the last 10 minutes")
    expect(page.locator("#told")).to_have_text("1 file failed.")
    expect(page.locator("#rate")).to_contain_text("B", timeout=60_000)
    expect(page.locator("#chart svg rect.good").first).to_be_attached()
    expect(page.locator("#chart svg rect.bad").first).to_be_attached()
    page.evaluate("window.stayed = true")
    (busy.watch / "new.txt").write_text("text")
    expect(page.locator("#count-completed")).to_have_text(re.compile("^[23]$"), timeout=60_000)  # the large one, too
    assert page.evaluate("window.stayed"), "the page was not loaded again"

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.get_by_role("link", name="Files", exact=True).click()
    page.get_by_role("searchbox").fill("TABLE")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("table.files tbody tr")).to_have_count(1)
    expect(page.locator("#totals")).to_have_text(re.compile(r"^1 file, \d+ B$"))
    page.get_by_role("link", name="table.csv").click()
    expect(page.locator("#objects")).to_contain_text("table.csv.parquet", timeout=30_000)
    expect(page.locator("#objects table.columns")).to_contain_text("booked")
    expect(page.locator("#objects table.columns")).to_contain_text("DATE")
    expect(page.locator("#objects .why").first).to_contain_text("whole number")
    expect(page.locator(".history li")).to_have_count(7)
    expect(page.locator(".history li").last).to_have_text(re.compile(r"manifest written\s+\+\d+"))

    page.get_by_role("link", name="Failures").click()
    page.get_by_role("link", name="Retry csv.malformed-rows, no feed").click()
    expect(page.get_by_role("heading")).to_have_text("Retry 1 file?")
    page.get_by_role("link", name="Cancel").click()
    expect(page.get_by_role("link", name=HOSTILE)).to_be_visible()
    expect(page.locator("img")).to_have_count(0)
    (busy.errors / HOSTILE).write_text("a,b\n1,2\n")
    page.get_by_role("button", name=f"Retry {HOSTILE}", exact=True).click()
    expect(page.get_by_role("status")).to_have_text("It is tried again.")
    busy.until(lambda: busy.statuses()[HOSTILE] == "completed", timeout=60)


def test_every_page_fits_a_phone_and_is_legible_by_day_and_night(
    busy: Daemon, start_dashboard: StartDashboard, open_page: OpenPage
) -> None:
    url = start_dashboard(busy)
    long = busy.watch / ("long" * 60 + ".txt")
    long.write_text("text")
    busy.until(lambda: busy.statuses().get(long.name) == "completed", timeout=60)
    with zipfile.ZipFile(busy.watch / "m.zip", "w") as archive:
        for number in range(12):
            archive.writestr(f"{number}.csv", "id\n1\n")
    busy.until(lambda: busy.statuses().get("m.zip") == "completed", timeout=60)
    lists = ("files", "files?status=failed", "retry?status=failed", "feeds", "tables", "nothing")
    files = (f"file?path={busy.watch}/{name}" for name in ("table.csv", "m.zip", quote(HOSTILE), long.name))
    page = open_page(url, 360)
    for path in ("", *lists, *files):
        page.goto(url + path)
        expect(page.locator("main")).to_be_visible()
        if path.endswith((".csv", ".zip")) and HOSTILE not in unquote(path):
            expect(page.locator("#objects .objects")).to_be_visible(timeout=30_000)
        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0, path
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            assert page.evaluate(AUDIT) == [], (path, scheme)
        for button in (*page.get_by_role("button").all(), *page.locator("a.button").all()):
            box = button.bounding_box()
            assert box is not None
            assert box["height"] >= 36, "a finger finds it"


def _is_trouble(message: ConsoleMessage) -> bool:
    return message.type == "error" and not message.location["url"].endswith("/nothing")
