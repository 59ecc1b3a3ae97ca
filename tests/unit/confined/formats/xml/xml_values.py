"""All values of an XML document by path, read by xml.etree on one side and from the Parquet on the other.

Both sides give, for every path, its values in the order of the document: an element is `(path, PRESENT)`, its text
`(path, text)` unless empty, an attribute `(path + /@name, value)`, mixed content `(path, canonical XML)`.
"""

import re
import xml.etree.ElementTree as ET
from collections import defaultdict
from typing import Any

from processor.confined.formats.xml.convert import convert_xml
from processor.domain.conversion import ConversionOptions, DataFormat, Receipt, Typing
from processor.streams.source import BytesSource
from tests.unit.confined.formats.tables import MemoryOutput

PRESENT = "(an element)"
BLANK = " \t\n"

Values = dict[str, list[str]]


def converted(document: bytes | str, typing: Typing = Typing.TEXT) -> tuple[Receipt, MemoryOutput]:
    data = document.encode() if isinstance(document, str) else document
    output = MemoryOutput()
    return convert_xml(BytesSource("a.xml", data), DataFormat.XML, ConversionOptions(typing=typing), output, ()), output


def rows_of(document: bytes | str, typing: Typing = Typing.TEXT) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = converted(document, typing)[1].table().to_pylist()
    return found


def assert_nothing_lost(document: bytes | str) -> Receipt:
    """Convert the document and compare each path's values with those that xml.etree reads."""
    receipt, output = converted(document)
    paths = dict(receipt.facts)["xml-rows"].split(" ")
    expected, parents = values_by_etree(document, wrappers_of(paths))
    found = values_of_rows(output.table().to_pylist(), paths)
    for path in parents:  # white space is indentation where such elements have children elsewhere
        if path in found:
            found[path] = [value for value in found[path] if value.strip(BLANK)]
    assert found == expected
    assert receipt.rows == output.table().num_rows
    assert {column.name for column in receipt.columns} == set(output.table().column_names)
    return receipt


def wrappers_of(paths: list[str]) -> set[str]:
    return {"/".join(path.split("/")[:length]) for path in paths for length in range(2, path.count("/") + 1)}


def values_by_etree(document: bytes | str, wrappers: set[str]) -> tuple[Values, set[str]]:
    """Return the values, and the paths of elements of which some have children.

    `wrappers` are elements whose texts are values by themselves, even between children.
    """
    root = ET.fromstring(document)
    mixed: set[str] = set()
    parents: set[str] = set()
    _classify(root, f"/{root.tag}", mixed, parents)
    values: Values = defaultdict(list)
    _add_element(values, root, f"/{root.tag}", mixed - wrappers, parents)
    return dict(values), parents


def _classify(element: ET.Element, path: str, mixed: set[str], parents: set[str]) -> None:
    if len(element):
        parents.add(path)
        if any((text or "").strip(BLANK) for text in (element.text, *(child.tail for child in element))):
            mixed.add(path)
    for child in element:
        _classify(child, f"{path}/{child.tag}", mixed, parents)


def _add_element(values: Values, element: ET.Element, path: str, mixed: set[str], parents: set[str]) -> None:
    values[path].append(PRESENT)
    for name, value in element.attrib.items():
        values[f"{path}/@{name}"].append(value)
    if path in mixed:
        values[path].append(_inner(element))
        return
    text = element.text or ""
    if not len(element) and text and (text.strip(BLANK) or path not in parents):
        values[path].append(text)
    for child in element:
        _add_element(values, child, f"{path}/{child.tag}", mixed, parents)
    pieces = [element.text, *(child.tail for child in element)] if len(element) else []
    values[path] += [piece for piece in pieces if piece and piece.strip(BLANK)]


def _inner(element: ET.Element) -> str:
    copy = ET.Element("x")
    copy.text = element.text
    copy.extend(element)
    return ET.canonicalize(ET.tostring(copy, encoding="unicode"))


def values_of_rows(rows: list[dict[str, Any]], paths: list[str]) -> Values:
    """Return the values of the table whose rows are elements at `paths`."""
    values: Values = defaultdict(list)
    for wrapper in wrappers_of(paths):
        values[wrapper].append(PRESENT)
    has_kinds = len(paths) > 1 or any(name.endswith("/#text") for name in rows[0])
    for number, row in enumerate(rows):
        if not has_kinds:
            _add_value(values, {name: value for name, value in row.items() if "/" not in name}, paths[0])
        for name, value in row.items():
            if not has_kinds and "/" not in name:
                continue
            path = next((path for path in paths if path.endswith("/" + _plain(name))), "/" + _plain(name))
            is_constant = not has_kinds or "/@" in name
            if name.endswith("/#text"):
                values[path.removesuffix("/#text")] += [value] if value else []
            elif number == 0 or not is_constant:
                _add_value(values, value, path)
    return dict(values)


def _add_value(values: Values, value: Any, path: str) -> None:
    match value:
        case None:
            return
        case list():
            for item in value:
                _add_value(values, item, path)
        case dict():
            values[path].append(PRESENT)
            for name, item in value.items():
                _add_field(values, _plain(name), item, path)
        case str() if "/@" in path:
            values[path].append(value)
        case str():
            values[path] += [PRESENT, value] if value else [PRESENT]


def _add_field(values: Values, name: str, value: Any, path: str) -> None:
    if value is None or name == "#order":
        return
    if name == "#text":
        values[path] += [value] if value else []
    elif name == "#xml":
        values[path].append(ET.canonicalize(f"<x>{value}</x>"))
    else:
        _add_value(values, value, f"{path}/{name}")


def _plain(name: str) -> str:
    return re.sub(r"#[0-9]+$", "", name)
