"""The commands."""

import sys
from typing import Annotated

import typer

from processor import config, logs

app = typer.Typer(no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False)

CONFIGURATION = 78


@app.callback()
def _about() -> None:
    """Deliver files from a Linux host to S3 as verified data."""


@app.command()
def run(once: Annotated[bool, typer.Option("--once", help="Deliver what is there, then end.")] = False) -> None:
    """Watch WATCH_PATH and deliver what arrives."""
    settings = _settings()
    from processor.app import run as run_app

    sys.exit(run_app(settings, once=once))


def _settings() -> config.Settings:
    try:
        settings = config.load()
    except config.ConfigurationError as error:
        print(f"configuration:\n{error}", file=sys.stderr)
        sys.exit(CONFIGURATION)
    logs.configure(settings.log_level, pretty=settings.log_pretty)
    return settings


def main() -> None:
    """Entry point."""
    app()
