"""Patterns of gitignore, compiled by pathspec."""

import re
from functools import lru_cache

from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

from processor.domain.feeds import PathPattern
from processor.domain.selection import SIDE_FILES, MemberPatterns

_BETWEEN = re.compile(r"(?<!\\)\s+")


def path_patterns(text: str) -> tuple[PathPattern, ...]:
    """Return patterns that are separated by white space, unless a backslash is before it. Raises ValueError."""
    return tuple(map(path_pattern, filter(None, _BETWEEN.split(text.strip()))))


@lru_cache(16)
def member_patterns(include: str, exclude: str) -> MemberPatterns:
    """Return what of archives' members INCLUDE and EXCLUDE leave out. Raises ValueError."""
    return MemberPatterns(path_patterns(include), path_patterns(f"{SIDE_FILES} {exclude}"))


def path_pattern(text: str) -> PathPattern:
    """Return the pattern as a regular expression over paths. Raises ValueError for one that matches nothing."""
    pattern = GitIgnoreSpecPattern(text)  # raises a ValueError of its own for some
    if pattern.regex is None or pattern.include is None:
        raise ValueError(f"{text!r} is no pattern of gitignore")
    return PathPattern(text, pattern.regex.pattern, pattern.include)
