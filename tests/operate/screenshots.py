"""Make the pictures in docs/images: a daemon with made-up files, its dashboard, and a browser. Run by hand."""

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import zipfile
from contextlib import closing
from pathlib import Path

from tests import seaweed
from tests.e2e.daemon import Daemon, StoreAddress
from tests.operate import browser as chromium
from tests.operate.sources import ROOT

IMAGES = ROOT / "docs/images"
MIB = 1 << 20
FEEDS = """
[[feed]]
name = "orders"
match = ["orders/*.csv"]
[feed.columns]
order = { type = "BIGINT", required = true }
region = "VARCHAR"
amount = "DECIMAL(12,2)"
booked = "DATE"
[feed.table]
name = "sales.orders"
"""
DAY_MS = 86_400_000
SHOTS = {
    "dashboard-light.png": ("?span=24h", 1200, "light"),
    "dashboard-dark.png": ("?span=24h", 1200, "dark"),
    "dashboard-phone.png": ("?span=24h", 390, "light"),
    "file.png": ("file?path={watch}/orders/2026-03.csv", 1200, "light"),
    "failures.png": ("files?status=failed", 1200, "dark"),
}


def main() -> None:
    """Make all of them anew."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.gettempdir()) / "demo"
    home.mkdir()
    server = seaweed.started(home / "store")
    settings = seaweed.fresh_bucket(seaweed.settings_for(server)).settings
    address = StoreAddress(server.endpoint, settings.bucket, server.access_key_id, server.secret_access_key)
    (home / "feeds.toml").write_text(FEEDS)
    daemon = Daemon(home, address, MAX_BANDWIDTH=6 * MIB, FEEDS="feeds.toml", CATALOG_TYPE="sql")
    try:
        _deliver(daemon)
        _shoot(daemon)
    finally:
        if daemon.running:
            daemon.stop()
        server.stop(grace_seconds=0)
        shutil.rmtree(home)


def _deliver(daemon: Daemon) -> None:
    """Deliver small files, give them a past of a day, and start again on some large ones."""
    chance = random.Random(1)
    orders, regions = daemon.watch / "orders", ("north", "south", "west")
    for month in range(1, 13):
        rows = "".join(
            f"{n},{chance.choice(regions)},{chance.randrange(10**6) / 100:.2f},2026-{month:02}-{n % 28 + 1:02}\n"
            for n in range(1, 800)
        )
        _write(orders / f"2026-{month:02}.csv", f"order,region,amount,booked\n{rows}")
    _write(orders / "2027-01.csv", "order,region,amount,booked\n1,north,2.50,2027-01-01\n2,south\n3,west,4,5,6\n")
    for number in range(7):
        _write(daemon.watch / f"partner/returns-{number}.csv", f"item,left\n1,2\n{number},3,4\n")
    _write(daemon.watch / "partner/notes.csv", "item,left\n1,2\nTotal 1 item\n")
    _write(daemon.watch / "partner/stock.json", '[{"item": 1, "left": 20}, {"item": 2, "left"')
    for number in range(260):
        _write(
            daemon.watch / f"scans/{number // 50}/page-{number:03}.pdf", os.urandom(chance.randrange(10_000, 90_000))
        )
    with zipfile.ZipFile(daemon.watch / "partner-export.zip", "w") as archive:
        for name in ("clients.csv", "stock.csv", "readme.txt", *(f"months/{month:02}.csv" for month in range(1, 13))):
            archive.writestr(name, "id,name\n1,a\n2,b\n")
    daemon.environment["MAX_BANDWIDTH"] = "0"
    daemon.once()
    _give_a_past(daemon.ledger, chance)
    daemon.environment["MAX_BANDWIDTH"] = str(6 * MIB)
    daemon.start()
    for number in range(1, 5):
        _write(daemon.watch / f"video/camera-{number}.mov", os.urandom(220 * MIB))
    daemon.until(lambda: daemon.statuses().get("video/camera-4.mov") == "in_progress")
    for number in range(40):
        _write(daemon.watch / f"scans/9/page-{number:03}.pdf", os.urandom(50_000))
    time.sleep(14)  # so that bars have something to show


def _give_a_past(ledger: Path, chance: random.Random) -> None:
    now = time.time_ns() // 1_000_000
    with closing(sqlite3.connect(ledger)) as database, database:
        for (row,) in database.execute("SELECT id FROM file_progress").fetchall():
            at = now - int(DAY_MS * min(chance.betavariate(1.2, 1.6), 0.99))
            database.execute("UPDATE file_progress SET created_at=?, updated_at=? WHERE id=?", (at - 4000, at, row))
            database.execute("UPDATE history SET at=? WHERE file_id=?", (at, row))


def _shoot(daemon: Daemon) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "processor", "dashboard", "--listen", "127.0.0.1:0"],
        cwd=daemon.home,
        env=daemon.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    url = process.stdout.readline().split()[0]
    with chromium.running() as browser:
        for name, (path, width, scheme) in SHOTS.items():
            page = browser.new_page(viewport={"width": width, "height": 560}, color_scheme=scheme)
            page.goto(url + path.format(watch=daemon.watch))
            page.wait_for_timeout(3000)
            if path.startswith("file?"):
                page.locator("#objects .objects").wait_for()
            page.screenshot(path=IMAGES / name, full_page=True)
            page.close()
    process.kill()
    process.wait()


def _write(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


if __name__ == "__main__":
    main()
