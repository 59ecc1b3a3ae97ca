"""The JSON Schema for editors lies in the package, is the models', and fits what the documentation shows."""

import json

from processor.feeds.model import CsvSection, FeedModel
from processor.feeds.schema import published, schema


def test_the_published_schema_is_up_to_date() -> None:
    assert published() == schema(), "write processor/feeds/feeds.schema.json anew: processor.feeds.schema.schema()"


def test_every_key_has_a_description_and_unknown_ones_are_no_keys() -> None:
    definitions = json.loads(published())["$defs"]
    for name, model in (("CsvSection", CsvSection), ("FeedModel", FeedModel)):
        assert definitions[name]["additionalProperties"] is False
        assert set(definitions[name]["properties"]) == {field.alias or key for key, field in model.model_fields.items()}
    assert all("description" in of for of in definitions["CsvSection"]["properties"].values())
    column = definitions["ColumnSection"]["anyOf"]
    assert [each["type"] for each in column] == ["string", "object"]
