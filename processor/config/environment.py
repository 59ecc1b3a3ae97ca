"""Read the environment and `.env`; find the ledger by them.

Imports next to nothing: `status` reads no other setting, and is to be quick.
"""

import os
from dataclasses import dataclass
from pathlib import Path

ENV_FILE = "PROCESSOR_ENV_FILE"  # names the file that is read instead of `.env` in the current directory
LEDGER = Path("./progress.db")


class ConfigurationError(Exception):
    """One or more settings are wrong; the text lists them all, a line each."""


def env_file() -> Path:
    """Return which file is read beside the environment; it need not be there."""
    return Path(os.environ.get(ENV_FILE, ".env"))


def given() -> dict[str, str]:
    """Return what the environment, or else the file, sets, by name in small letters. An empty text sets nothing.

    Raises ConfigurationError when the file can not be read.
    """
    return _set(written()) | _set(os.environ)


def written() -> dict[str, str | None]:
    """Return what the file says, as it is. Raises ConfigurationError when it can not be read."""
    path = env_file()
    try:
        if not path.exists():
            return {}
        from dotenv import dotenv_values  # noqa: PLC0415 - 50 ms that a daemon's environment does not need

        return dotenv_values(path, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path} can not be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is no UTF-8 (byte {error.start}): save it as UTF-8") from error


def _set(variables: "os._Environ[str] | dict[str, str | None]") -> dict[str, str]:
    return {name.lower(): value for name, value in variables.items() if value}


@dataclass(frozen=True, slots=True)
class Places:
    """Where the ledger lies and where commands reach the daemon; `feeds`: whether a file of feeds is named."""

    ledger: Path
    control_socket: Path
    feeds: bool


def places() -> Places:
    """Return what `config.Settings` says of these, without looking at any other setting. Raises ConfigurationError."""
    said = given()
    ledger = absolute(Path(said.get("progress_db_path", LEDGER)))
    socket = said.get("control_socket")
    return Places(ledger, control_socket(None if socket is None else Path(socket), ledger), "feeds" in said)


def absolute(path: Path) -> Path:
    """Return a path of the settings as everybody uses it."""
    return path.expanduser().absolute()


def control_socket(path: Path | None, ledger: Path) -> Path:
    """Return where commands reach the daemon: where the settings say, or beside the ledger."""
    return (path or ledger.with_suffix(".sock")).absolute()
