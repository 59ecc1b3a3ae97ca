"""Files that an operator means by a path."""

import os
from pathlib import Path

from processor.config.settings import Settings


def meant(settings: Settings, path: Path) -> list[bytes]:
    """Return the absolute paths that may be meant, the nearest first, each once.

    A path is absolute, relative to here, or relative to WATCH_PATH; one in the error directory means the file that
    failed there.
    """
    root, aside = os.fsencode(settings.watch_path), os.fsencode(settings.error_directory) + b"/"
    here, watched = os.path.abspath(os.fsencode(path)), os.path.abspath(os.path.join(root, os.fsencode(path)))
    found = [here, watched]
    if here.startswith(aside):
        found.append(root + b"/" + here.removeprefix(aside))
    return list(dict.fromkeys(found))


def relative(settings: Settings, path: Path) -> list[bytes]:
    """Return the same relative to WATCH_PATH, as far as they lie in it."""
    above = os.fsencode(settings.watch_path).rstrip(b"/") + b"/"
    return [each.removeprefix(above) for each in meant(settings, path) if each.startswith(above)]
