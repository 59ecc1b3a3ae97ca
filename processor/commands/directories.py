"""Check the directories that the settings name."""

import os
import tempfile
from pathlib import Path

from processor.config.choices import EMBEDDED
from processor.config.settings import Settings
from processor.domain.feeds import AfterUpload
from processor.trees.ownership import problem_of_private


def problems_of_places(settings: Settings) -> dict[str, str | None]:
    """Return, by the setting that names it, what is wrong with each directory; None: nothing."""
    watched = _unreadable(settings.watch_path)
    if watched is None and settings.after_upload is not AfterUpload.KEEP:
        watched = _unwritable(settings.watch_path)
    places = {
        "WATCH_PATH": watched,
        "ERROR_DIRECTORY": _unmakeable(settings.error_directory),
        "PROGRESS_DB_PATH": _unwritable(settings.progress_db_path.parent),
    }
    if settings.after_upload_directory is not None:
        places["AFTER_UPLOAD_DIRECTORY"] = _unmakeable(settings.after_upload_directory)
    if settings.control_socket is not None:
        places["CONTROL_SOCKET"] = _unwritable(settings.control_socket_path.parent)
    if settings.s3_endpoint == EMBEDDED:
        places["STORE_DIRECTORY"] = _unwritable(_nearest(settings.store_directory))
    return places


def _unreadable(directory: Path) -> str | None:
    if not directory.is_dir():
        return f"{directory} is not there" if not directory.exists() else f"{directory} is no directory"
    return None if os.access(directory, os.R_OK | os.X_OK) else f"{directory} may not be read"


def _unwritable(directory: Path) -> str | None:
    if problem := _unreadable(directory):
        return problem
    try:
        with tempfile.TemporaryFile(dir=directory):  # it has no name, so that no watcher sees it
            return None
    except OSError as error:
        return f"{directory} may not be written to: {error.strerror}"


def _unmakeable(directory: Path) -> str | None:
    """Return why nothing can be put into a directory, which is made when it is needed and must be this user's alone."""
    return _unwritable(_nearest(directory)) or problem_of_private(os.fsencode(directory))


def _nearest(directory: Path) -> Path:
    """Return the directory itself, or the first above it that is there."""
    return next((each for each in (directory, *directory.parents) if os.path.lexists(each)), directory)
