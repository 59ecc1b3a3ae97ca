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
from pathlib import Path

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


class Activity:
    """Does one thing to `root` at a time. `outside` is on the same file system: things are renamed in from there."""

    def __init__(self, root: Path, outside: Path, seed: int, *, pace_seconds: float = 0.02) -> None:
        self._root = os.fsencode(root)
        self._outside = os.fsencode(outside)
        self._rng = random.Random(seed)
        self._pace = pace_seconds
        self._number = 0
        self._living: list[bytes] = []
        self.fates: dict[str, Fate] = {}  # by SHA-256 of everything that was ever whole
        self.done: Counter[str] = Counter()
        outside.mkdir(parents=True, exist_ok=True)

    def run(self, stop: threading.Event) -> None:
        """Act until told to stop; every file is whole afterwards."""
        while not stop.is_set():
            self.act()
            stop.wait(self._rng.expovariate(1 / self._pace))

    def act(self) -> None:
        """Do one thing."""
        rng = self._rng
        deeds: list[tuple[int, Callable[[], None]]] = [
            (30, self._write),
            (10, self._write_slowly),
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
        self._living.append(path)

    def _write_slowly(self) -> None:
        content = self._content()
        path = self._new_path(content)
        with open(path, "wb", buffering=0) as file:
            for start in range(0, len(content.data), max(1, len(content.data) // 4)):
                file.write(content.data[start : start + max(1, len(content.data) // 4)])
                time.sleep(0.05)  # the writer's own pace
        self._living.append(path)

    def _rename_in(self) -> None:
        content = self._content()
        source = self._aside(content.data)
        path = self._new_path(content)
        os.rename(source, path)
        self._living.append(path)

    def _link_in(self) -> None:
        content = self._content()
        source = self._aside(content.data)
        path = self._new_path(content)
        os.link(source, path)
        os.unlink(source)
        self._living.append(path)

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
            self._living.append(os.path.join(self._root, os.path.relpath(below, self._outside), file))
        os.rename(base, os.path.join(self._root, name))

    def _large(self) -> None:
        content = self._remember(large(self._rng))
        path = self._new_path(content)
        _write(path, content.data)
        self._living.append(path)

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
        if not path.endswith((b".bin", b".txt", b".pdf")):
            return
        with open(path, "r+b") as file:
            before = file.read()
            file.write(b"more")
        self._remember(Content("", before + b"more"))

    def _replace(self) -> None:
        path = self._some()
        content = self._content()
        if kind_of(b"x" + content.suffix.encode()) != kind_of(path):
            content = self._remember(Content("", b"replaced %d" % self._number, Fate.EITHER))
        source = self._aside(content.data)
        if os.path.lexists(path):
            os.rename(source, path)

    def _touch(self) -> None:
        now = time.time_ns()
        os.utime(self._some(), ns=(now, now))

    def _delete(self) -> None:
        os.unlink(self._forget())

    def _rename(self) -> None:
        path = self._forget()
        self._number += 1
        target = os.path.join(os.path.dirname(path), b"moved-%d-%s" % (self._number, os.path.basename(path)[-40:]))
        os.rename(path, target)
        self._living.append(target)

    # Names and bytes

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
        return self._rng.choice(self._living)

    def _forget(self) -> bytes:
        path = self._some()
        self._living.remove(path)
        return path

    def close(self) -> None:
        """Remove what was prepared outside."""
        shutil.rmtree(self._outside, ignore_errors=True)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _write(path: bytes, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)
