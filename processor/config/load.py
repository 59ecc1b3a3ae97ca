"""Load the settings; report every mistake at once.

Nothing has been started by then.
"""

import difflib
import os
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from processor.config.environment import ConfigurationError, env_file, given, written
from processor.config.settings import Settings


def load(otherwise: Mapping[str, Any] | None = None) -> Settings:
    """Return the settings. Raises ConfigurationError that names every mistake, its value and what would be right.

    `otherwise` (by setting) holds for what neither the environment nor `.env` sets, before the defaults.
    """
    mistakes = _misspelt()
    try:
        settings = Settings(**({name.lower(): value for name, value in (otherwise or {}).items()} | given()))
    except ValidationError as error:
        mistakes += [_explain(details) for details in error.errors(include_url=False)]
    if mistakes:
        raise ConfigurationError("\n".join(mistakes))
    return settings


def _explain(details: Any) -> str:
    name = "_".join(str(part) for part in details["loc"]).upper()
    if not name:
        return str(details["msg"]).removeprefix("Value error, ")
    field = Settings.model_fields.get(name.lower())
    meaning = f" ({field.description})" if field is not None and field.description else ""
    if details["type"] == "missing":
        return f"{name} is not set{meaning}"
    hidden = any(word in name.lower() for word in ("secret", "token", "credential", "notify_url")) or "@" in str(
        details["input"]
    )  # of an endpoint: a password
    given = "(hidden)" if hidden else repr(details["input"])
    return f"{name}={given}: {_requirement(details)}{meaning}"


def _requirement(details: Any) -> str:
    """Return what a value has to be. The types are those of pydantic's "Validation Errors"."""
    limits = details.get("ctx", {})
    match details["type"]:
        case "int_parsing" | "int_type" | "int_from_float":
            return "must be a whole number"
        case "bool_parsing" | "bool_type":
            return "must be true or false"
        case "enum":
            return f"must be {limits['expected'].replace(chr(39), '')}"
        case "greater_than_equal":
            return f"must be at least {limits['ge']}"
        case "less_than_equal":
            return f"must be at most {limits['le']}"
        case "string_too_short":
            return f"must have at least {limits['min_length']} characters"
        case "string_too_long":
            return f"must have at most {limits['max_length']} characters"
        case "string_pattern_mismatch":
            return f"must be one of {', '.join(filter(None, limits['pattern'].strip('^$()').split('|')))}, or empty"
        case _:
            return str(details["msg"]).removeprefix("Value error, ")


def _misspelt() -> list[str]:
    """Name the variables that are nearly, but not quite, a setting: a silently ignored setting is a trap."""
    known = [name.upper() for name in Settings.model_fields]
    in_file = {name.upper() for name in written()}
    found = []
    for name in sorted(in_file | {name for name in os.environ if "_" in name}):
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.85)
        begins_alike = close and close[0].partition("_")[0] == name.partition("_")[0]
        if name not in known and close and (begins_alike or name in in_file):  # AWS_CA_BUNDLE is another program's
            where = env_file() if name in in_file else "the environment"
            found.append(f"{name} in {where} is no setting: did you mean {close[0]}?")
    return found
