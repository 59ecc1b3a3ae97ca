"""The scene of an attack, and what the daemon does in it."""

import os
import shutil
from pathlib import Path
from typing import Any

from processor.delivery import quarantine
from processor.trees.held import Seen
from tests.attacks.users import DAEMON, SENDER, STRANGER, as_user

REASON = {"file": "d/a.csv", "why": "broken"}
CONTENT = b"an honest file\n"
TIME_NS = 1_700_000_000_000_000_000
MOVES = ("aside", "delete", "put")


class Stage:
    """`watch` is everybody's, `errors` and `done` are the daemon's, `home` is what no file may get into or out of."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.watch = self.directory("watch", DAEMON, 0o2777)
        self.errors = base / "errors"
        self.done = base / "done"
        for path in (self.errors, self.done):
            self.directory(path.name, DAEMON, 0o700)
        self.home = self.directory("home", DAEMON, 0o755)
        self.loot = self.directory("loot", STRANGER, 0o777)
        self.directory("watch/d", STRANGER, 0o2777)
        # With the name, the size and the time of the file in the watched directory.
        for name in ("a.csv", "a.csv.reason.json", "progress.db"):
            self.file(f"home/{name}", DAEMON, CONTENT)
        self.file("watch/d/a.csv", SENDER, CONTENT)
        self._before = self._at_home()

    def directory(self, name: str, uid: int, mode: int) -> Path:
        path = self.base / name
        path.mkdir()
        os.chown(path, uid, uid)
        path.chmod(mode)
        return path

    def file(self, name: str, uid: int, content: bytes) -> Path:
        path = self.base / name
        path.write_bytes(content)
        os.chown(path, uid, uid)
        path.chmod(0o644)
        os.utime(path, ns=(TIME_NS, TIME_NS))
        return path

    def replace(self, name: str, with_link_to: Path) -> None:
        """Exchange whatever bears the name for a link, as its owner may."""
        path = self.base / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        path.symlink_to(with_link_to)
        os.lchown(path, STRANGER, STRANGER)

    def act(self, move: str, relative_path: bytes = b"d/a.csv", seen: Seen | None = None) -> Any:
        """Do what the daemon does, as the daemon."""
        return as_user(DAEMON, self.act_here, move, relative_path, seen)

    def act_here(self, move: str, relative_path: bytes = b"d/a.csv", seen: Seen | None = None) -> Any:
        root, errors = os.fsencode(self.watch), os.fsencode(self.errors)
        seen = seen or Seen(len(CONTENT), TIME_NS)
        match move:
            case "aside":
                return quarantine.set_aside(root, relative_path, errors, REASON, seen)
            case "delete":
                return quarantine.put_away(root, relative_path, None, seen)
            case "put":
                return quarantine.put_away(root, relative_path, os.fsencode(self.done), seen)
            case _:
                return quarantine.bring_back(root, relative_path, errors).st_size

    def assert_home_untouched(self) -> None:
        assert self._at_home() == self._before

    def _at_home(self) -> dict[str, tuple[bytes, int, int]]:
        paths = sorted(self.home.rglob("*"))
        return {str(path): (path.read_bytes(), path.stat().st_ino, path.stat().st_nlink) for path in paths}

    def contents(self, *tops: Path) -> list[bytes]:
        """Return what lies in files below some directories, links not followed."""
        found = []
        for top in tops:
            for directory, _, names in os.walk(top):
                paths = [Path(directory, name) for name in names]
                found += [path.read_bytes() for path in paths if path.is_file() and not path.is_symlink()]
        return found
