"""SQL that finds duplicate keys in JSON text."""

from processor.confined.formats.sql import literal

_FLAT = literal(r"\{[^{]*\}")
_MOST_LISTS = 100  # far from as deep as JSON may be nested
_LEVELS = 2


def has_keys_once(text: str) -> str:
    """Return the condition that no object within the valid JSON `text` has a key twice.

    It may be false or NULL for a text that has none twice: one that has deeply nested objects or many lists.
    """
    has_few_lists = f"strlen({text}) - strlen(replace({text}, '[', '')) < {_MOST_LISTS}"
    return f"{has_few_lists} AND {_once(text, _LEVELS)}"


def _once(text: str, levels: int) -> str:
    once = f"list_unique(json_keys({text})) = len(json_keys({text}))"
    cases = [
        f"WHEN NOT contains({text}, '{{') OR prefix({text}, '\"') THEN true",
        f"WHEN regexp_full_match({text}, {_FLAT}) THEN {once}",
    ]
    if levels:
        item = f"k{levels}"
        within = f"json_extract({text}, '$.*')::VARCHAR[] || json_extract({text}, '$[*]')::VARCHAR[]"
        all_once = f"list_transform({within}, lambda {item}: coalesce({_once(item, levels - 1)}, false))"
        cases.append(f"ELSE {once} AND list_bool_and({all_once})")
    return f"CASE {' '.join(cases)} END"
