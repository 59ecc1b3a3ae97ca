"""Activity in a directory, from a seed: what people, programs and accidents do to files. It keeps the truth."""

import contextlib
import hashlib
import os
import random
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tests.faults.contents import Content, Fate, empty, good, hostile, large
from tests.faults.names import kind_of

_STEMS = (
    "report",
    "data set",
    "it's",
    'a "b"',
    "new\nline",
    "smile \N{GRINNING FACE}",
    "100%",
    "%41",
    "-rf",
    ".hidden",
)
_RAW = (b"latin-\xe9", b"broken-\xff\xfe", b"half-\xf0\x9f")


PLAIN = (b".bin", b".txt", b".pdf")


@dataclass(frozen=True)
class _Pausing:
    """A writer in its pause: it has the file open, and something left to write."""

    file: BinaryIO
    path: bytes
    content: Content
    rest: bytes
    until: float


class Activity:
    """Does one thing to `root` at a time. `outside` is on the same file system: things are renamed in from there."""

    def __init__(self, root: Path, outside: Path, seed: int, *, pace_seconds: float = 0.02) -> None:
        self._root = os.fsencode(root)
        self._outside = os.fsencode(outside)
        self._rng = random.Random(seed)
        self._pace = pace_seconds
        self._number = 0
        self._living: list[bytes] = []
        self._pausing: list[_Pausing] = []
        self.meant: dict[bytes, str] = {}  # by path: the SHA-256 of what was written there last, as its writer meant it
        self.fates: dict[str, Fate] = {}  # by SHA-256 of everything that was ever whole
        self.violations: list[str] = []
        self.done: Counter[str] = Counter()
        outside.mkdir(parents=True, exist_ok=True)

    def run(self, stop: threading.Event) -> None:
        """Act until told to stop; every file is whole afterwards."""
        while not stop.is_set():
            self.act()
            stop.wait(self._rng.expovariate(1 / self._pace))
        self._go_on(float("inf"))

    def act(self) -> None:
        """Do one thing."""
        rng = self._rng
        self._go_on(time.monotonic())
        deeds: list[tuple[int, Callable[[], None]]] = [
            (30, self._write),
            (10, self._write_slowly),
            (8, self._write_with_pauses),
            (5, self._append_with_pauses),
            (5, self._replace_unseen),
            (5, self._rewrite_unseen),
            (20, self._rename_in),
            (8, self._link_in),
            (5, self._tree_in),
            (6, self._append),
            (6, self._replace),
            (4, self._touch),
            (5, self._delete),
            (5, self._rename),
            (4, self._temporary),
            (1, self._large),
        ]
        weights = [weight for weight, _deed in deeds]
        deed = rng.choices([deed for _weight, deed in deeds], weights)[0]
        # The daemon moves failed files away while we play with them.
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            deed()
            self.done[deed.__name__.strip("_")] += 1

    # New files

    def _write(self) -> None:
        content = self._content()
        path = self._new_path(content)
        _write(path, content.data)
        self._lives(path, content)

    def _write_slowly(self) -> None:
        content = self._content()
        path = self._new_path(content)
        with open(path, "wb", buffering=0) as file:
            for start in range(0, len(content.data), max(1, len(content.data) // 4)):
                file.write(content.data[start : start + max(1, len(content.data) // 4)])
                time.sleep(0.05)  # the writer's own pace
        self._lives(path, content)

    def _write_with_pauses(self) -> None:
        """Write half, keep the file open for longer than any threshold, write the rest."""
        content = self._content()
        path = self._new_path(content)
        half = len(content.data) // 2
        file = open(path, "wb", buffering=0)  # noqa: SIM115 - it stays open: that is the point
        self._pause(file, path, content, content.data[:half], content.data[half:])

    def _append_with_pauses(self) -> None:
        path = self._some()
        if not path.endswith(PLAIN):
            return
        before = _read(path)
        file = open(path, "ab", buffering=0)  # noqa: SIM115
        if _read(path) != before:  # it was put away in between, and this is a new one
            before = b""
        self._pause(file, path, self._remember(Content("", before + b"one, two")), b"one, ", b"two")

    def _pause(self, file: BinaryIO, path: bytes, content: Content, now: bytes, later: bytes) -> None:
        file.write(now)
        self.meant.pop(path, None)
        self._pausing.append(_Pausing(file, path, content, later, time.monotonic() + self._rng.uniform(0.6, 4.0)))

    def _go_on(self, now: float) -> None:
        """Have those writers finish whose pause is over."""
        for each in [each for each in self._pausing if each.until <= now]:
            self._pausing.remove(each)
            with each.file:
                each.file.write(each.rest)
                there = _read(each.path) if os.path.lexists(each.path) else None
                if there != each.content.data:  # nobody here touches a file that is open
                    self.violations.append(f"{each.path!r} was open for writing, and is gone or another")
            self._lives(each.path, each.content)

    def _rename_in(self) -> None:
        content = self._content()
        source = self._aside(content.data)
        path = self._new_path(content)
        os.rename(source, path)
        self._lives(path, content)

    def _link_in(self) -> None:
        content = self._content()
        source = self._aside(content.data)
        path = self._new_path(content)
        os.link(source, path)
        os.unlink(source)
        self._lives(path, content)

    def _tree_in(self) -> None:
        """Move a whole directory in at once."""
        self._number += 1
        name = b"tree-%d" % self._number
        base = os.path.join(self._outside, name)
        for number in range(self._rng.randrange(1, 6)):
            content = self._content()
            below = os.path.join(base, *[b"d%d" % level for level in range(number % 3)])
            os.makedirs(below, exist_ok=True)
            file = b"f%d%s" % (number, content.suffix.encode())
            _write(os.path.join(below, file), content.data)
            self._lives(os.path.join(self._root, os.path.relpath(below, self._outside), file), content)
        os.rename(base, os.path.join(self._root, name))

    def _large(self) -> None:
        content = self._remember(large(self._rng))
        path = self._new_path(content)
        _write(path, content.data)
        self._lives(path, content)

    def _temporary(self) -> None:
        """Make files that are gone before they can be whole."""
        for number in range(20):
            path = os.path.join(self._root, b"tmp%d~" % number)
            _write(path, b"gone in a moment")
            self._remember(Content("~", b"gone in a moment", Fate.EITHER))
            os.unlink(path)

    # What becomes of them

    def _append(self) -> None:
        path = self._some()
        if not path.endswith(PLAIN):
            return
        with open(path, "r+b") as file:
            before = file.read()
            file.write(b"more")
        self._lives(path, self._remember(Content("", before + b"more")))

    def _replace(self) -> None:
        path = self._some()
        content = self._content()
        if kind_of(b"x" + content.suffix.encode()) != kind_of(path):
            content = self._remember(Content("", b"replaced %d" % self._number, Fate.EITHER))
        source = self._aside(content.data)
        if os.path.lexists(path):
            os.rename(source, path)
            self._lives(path, content)

    def _replace_unseen(self) -> None:
        """As `rsync -t` does: another content of the same size and time, renamed over."""
        path, content, status = self._other_of_same_size()
        source = self._aside(content.data)
        os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns))
        if os.path.lexists(path):
            os.rename(source, path)
            self._lives(path, content)

    def _rewrite_unseen(self) -> None:
        """As `cp -p` does: another content of the same size and time, written in place."""
        path, content, status = self._other_of_same_size()
        with open(path, "r+b") as file:
            file.write(content.data)
            file.flush()
            os.utime(file.fileno(), ns=(status.st_atime_ns, status.st_mtime_ns))
        self._lives(path, content)

    def _other_of_same_size(self) -> tuple[bytes, Content, os.stat_result]:
        path = self._some()
        status = os.stat(path)
        if not path.endswith(PLAIN):
            raise FileNotFoundError
        return path, self._remember(Content("", self._rng.randbytes(status.st_size), Fate.EITHER)), status

    def _touch(self) -> None:
        now = time.time_ns()
        os.utime(self._some(), ns=(now, now))

    def _delete(self) -> None:
        path = self._forget()
        self.meant.pop(path, None)
        os.unlink(path)

    def _rename(self) -> None:
        path = self._forget()
        self._number += 1
        target = os.path.join(os.path.dirname(path), b"moved-%d-%s" % (self._number, os.path.basename(path)[-40:]))
        digest = self.meant.pop(path, None)
        os.rename(path, target)
        self._living.append(target)
        if digest is not None:
            self.meant[target] = digest

    # Names and bytes

    def _lives(self, path: bytes, content: Content) -> None:
        if path not in self.meant:
            self._living.append(path)
        self.meant[path] = sha256(content.data)

    def _content(self) -> Content:
        rng = self._rng
        chance = rng.random()
        return self._remember(hostile(rng) if chance < 0.2 else empty(rng) if chance < 0.25 else good(rng))

    def _remember(self, content: Content) -> Content:
        digest = sha256(content.data)
        before = self.fates.setdefault(digest, content.fate)
        if before is not content.fate:  # the same bytes under two names: whatever happens may be right
            self.fates[digest] = Fate.EITHER
        return content

    def _new_path(self, content: Content) -> bytes:
        self._number += 1
        rng = self._rng
        directory = rng.choice((b"", b"a", b"a/b c", b"deep/1/2/3/4", b"new-%d/sub" % self._number))
        stem = rng.choice(_RAW) if rng.random() < 0.1 else rng.choice(_STEMS).encode()
        os.makedirs(os.path.join(self._root, directory), exist_ok=True)
        return os.path.join(self._root, directory, b"%s-%d%s" % (stem, self._number, content.suffix.encode()))

    def _aside(self, data: bytes) -> bytes:
        self._number += 1
        path = os.path.join(self._outside, b"%d" % self._number)
        _write(path, data)
        return path

    def _some(self) -> bytes:
        if not self._living:
            raise FileNotFoundError
        path = self._rng.choice(self._living)
        if any(each.path == path for each in self._pausing):
            raise FileNotFoundError  # it is left to its writer
        return path

    def _forget(self) -> bytes:
        path = self._some()
        self._living.remove(path)
        return path

    def close(self) -> None:
        """Remove what was prepared outside."""
        shutil.rmtree(self._outside, ignore_errors=True)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _read(path: bytes) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _write(path: bytes, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)
