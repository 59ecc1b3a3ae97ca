"""Select files by patterns of their paths."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from processor.domain.feeds import PathPattern

# Names that are never meant to arrive: downloads and copies under way, editors' and file managers' own files.
TEMPORARY = "*.part *.filepart *.partial *.crdownload *.tmp ~$* .~lock.* ._* .DS_Store Thumbs.db .nfs* *.swp"
# Of members of archives: nobody is still writing them, but these are no content there either.
SIDE_FILES = "__MACOSX/ ._* .DS_Store Thumbs.db"
LEFT_OUT = "left out by INCLUDE or EXCLUDE"
_GROUP_NAME = re.compile(r"\?P<\w+>")
_ANYWHERE = "^(?:.+/)?"
_DIRECTORIES = 4096


class Selection:
    """INCLUDE and EXCLUDE: the last pattern that matches decides, the path's own before those of its directories."""

    def __init__(self, include: tuple[PathPattern, ...] = (), exclude: tuple[PathPattern, ...] = ()) -> None:
        self._include = _Patterns(include) if include else None
        self._exclude = _Patterns(exclude)

    def leaves_out(self, path: bytes) -> bool:
        """Tell whether the file at `path`, relative to the watched directory, is not to be delivered.

        An archive is a directory of its members.
        """
        text = os.fsdecode(path)
        return self._exclude.match(text) or (self._include is not None and not self._include.match(text))


@dataclass(frozen=True, slots=True)
class MemberPatterns:
    """INCLUDE and EXCLUDE for members of archives, as they go to a worker."""

    include: tuple[PathPattern, ...] = ()
    exclude: tuple[PathPattern, ...] = ()

    def leave_out(self, path: bytes) -> bool:
        """Tell whether the member at `path`, its archive's included, is not to be delivered."""
        return bool(self.include or self.exclude) and _selection(self).leaves_out(path)


NO_PATTERNS = MemberPatterns()


@lru_cache(16)
def _selection(patterns: MemberPatterns) -> Selection:
    return Selection(patterns.include, patterns.exclude)


class _Patterns:
    def __init__(self, patterns: tuple[PathPattern, ...]) -> None:
        self._last_first = [_Pattern.of(each) for each in reversed(patterns)]
        # Most names match none: one look tells. A pattern without a slash matches a name, wherever that lies.
        self._any_name = _joined([each.regex for each in self._last_first if each.is_name])
        self._any_path = _joined([each.regex for each in self._last_first if not each.is_name])
        self._directory: Callable[[str], bool] = lru_cache(_DIRECTORIES)(self._decide_directory)

    def match(self, path: str) -> bool:
        directory, _, name = path.rpartition("/")
        decided = self._decide(path, name)
        return self._directory(directory) if decided is None else decided

    def _decide_directory(self, path: str) -> bool:
        while path:
            above, _, name = path.rpartition("/")
            decided = self._decide(path + "/", name + "/")
            if decided is not None:
                return decided
            path = above
        return False

    def _decide(self, path: str, name: str) -> bool | None:
        named = self._any_name is not None and self._any_name.match(name)
        if not named and (self._any_path is None or not self._any_path.match(path)):
            return None
        for each in self._last_first:
            if each.compiled.match(name if each.is_name else path):
                return each.selects
        return None


@dataclass(frozen=True, slots=True)
class _Pattern:
    regex: str
    compiled: re.Pattern[str]
    is_name: bool
    selects: bool

    @classmethod
    def of(cls, pattern: PathPattern) -> "_Pattern":
        regex = _GROUP_NAME.sub("?:", pattern.regex)
        is_name = "/" not in pattern.text.removeprefix("!").rstrip("/")
        if is_name:  # a name has no directories before it; looking for them takes half of the time
            regex = regex.removeprefix(_ANYWHERE)
        return cls(regex, re.compile(regex, re.DOTALL), is_name, pattern.include)


def _joined(regexes: list[str]) -> re.Pattern[str] | None:
    return re.compile("|".join(f"(?:{regex})" for regex in regexes), re.DOTALL) if regexes else None
