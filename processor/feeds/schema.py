"""JSON Schema of the file of feeds, for editors."""

from importlib import resources

import orjson

from processor.feeds.model import FeedsModel

FILE = "feeds.schema.json"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> str:
    """Return the schema as the models have it."""
    document = {"$schema": _DIALECT, "title": "processor: feeds.toml", **FeedsModel.model_json_schema()}
    document["title"] = "processor: feeds.toml"
    return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n"


def published() -> str:
    """Return the schema as it lies in the package."""
    return resources.files("processor.feeds").joinpath(FILE).read_text(encoding="utf-8")
