"""The table of a surveyed document: columns, rows as JSON.

The columns are the fields of the rows, then what stands around the rows as columns with the same value in every row,
named by their paths (`catalog/@version`, `catalog/header`). When every child of a wrapper is a row of its kind, each
kind is one column, and so is the text between them (`catalog/#text`).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from processor.confined.formats.base import fast_paths
from processor.confined.formats.parquet.write import TextColumn
from processor.confined.formats.sql import literal, quoted
from processor.confined.formats.xml.fast.automaton import RowAutomaton
from processor.confined.formats.xml.fast.bulk import Bulk
from processor.confined.formats.xml.fast.template import template_of
from processor.confined.formats.xml.parser import Node, Path
from processor.confined.formats.xml.records import TEXT, VARCHAR, RecordSchema, distinct, plain_text, record_of
from processor.confined.formats.xml.survey import DocumentSurvey

_RENAMED = re.compile(r"(.+)#[0-9]+")


@dataclass(frozen=True, slots=True)
class RowKind:
    """The rows at one path: how they are read and, if each kind is a column, that column."""

    record: RecordSchema | None
    column: str | None

    def row(self, node: Node) -> dict[str, Any]:
        """Return the row that `node` is."""
        if self.column is None:
            return self.record.values(node) if self.record else {TEXT: plain_text(node)}
        return {self.column: self.record.values(node) if self.record else plain_text(node)}


@dataclass(frozen=True, slots=True)
class Constant:
    """A column that has the same value in every row."""

    name: str
    structure: Any
    value: Any


class Table:
    """How the rows of a surveyed document are made, and the relation that DuckDB makes of them."""

    def __init__(self, survey: DocumentSurvey) -> None:
        self.survey = survey
        self.kinds = _kinds(survey)
        self.texts = _text_columns(survey)
        self.structure = self._structure()
        self.constants = _constants(survey, taken=self.structure)

    def bulk(self) -> Bulk | None:
        """Return what takes the rows in bulk if they are many."""
        if not self.survey.has_many_rows or not fast_paths():
            return None
        row = self.survey.layout.row
        template = template_of(self.survey.shape(row), self.kinds[row].record) if row is not None else None
        rows = {
            path: RowAutomaton(self.survey.shape(path), kind.record, kind.column) for path, kind in self.kinds.items()
        }
        return Bulk(rows, template)

    def text_columns(self) -> list[TextColumn]:
        """Return the columns that are texts, and so may earn a type."""
        return [TextColumn(name, name, original_name(name)) for name, of in self._all() if of == VARCHAR]

    def nested_columns(self) -> dict[str, Any]:
        """Return the columns that are structures and lists, with their structures."""
        return {name: of for name, of in self._all() if of != VARCHAR}

    def relation(self, lines: str) -> str:
        """Return the relation of all columns, made from `lines`, a relation with a column `j` of JSON objects."""
        constants = "".join(f", {_constant(constant)} AS {quoted(constant.name)}" for constant in self.constants)
        structure = literal(orjson.dumps(self.structure).decode())
        return f"(SELECT unnest(json_transform(j, {structure})){constants} FROM {lines})"  # noqa: S608

    def facts(self) -> list[tuple[str, str]]:
        """Return the decisions worth recording."""
        survey = self.survey
        found = [("xml-rows", " ".join(self.row_paths()[:_MOST_FACTS]))]
        namespaces = {prefix: sorted(uris) for prefix, uris in survey.namespaces.items()}
        if namespaces:
            found.append(("xml-namespaces", orjson.dumps(namespaces).decode()[:_LONGEST_FACT]))
        if survey.doctype:
            found.append(("xml-doctype", survey.doctype[:_LONGEST_FACT]))
        return found

    def row_paths(self) -> list[str]:
        """Return the path of the rows, or of each kind of row."""
        return ["/" + "/".join(path) for path in self.kinds]

    def _structure(self) -> dict[str, Any]:
        if self.survey.layout.row is not None:
            record = self.kinds[self.survey.layout.row].record
            return record.fields() if record else {TEXT: VARCHAR}
        found: dict[str, Any] = {}
        for kind in self.kinds.values():
            assert kind.column is not None
            found[kind.column] = kind.record.fields() if kind.record else VARCHAR
        return found | dict.fromkeys(self.texts.values(), VARCHAR)

    def _all(self) -> Iterable[tuple[str, Any]]:
        yield from self.structure.items()
        for constant in self.constants:
            yield constant.name, constant.structure


_MOST_FACTS = 100
_LONGEST_FACT = 16 << 10


def _kinds(survey: DocumentSurvey) -> dict[Path, RowKind]:
    layout = survey.layout
    if layout.row is not None:
        return {layout.row: RowKind(record_of(survey.shape(layout.row)), None)}
    shapes = {
        (*wrapper, name): shape
        for wrapper in sorted(layout.wrappers, key=len)
        for name, shape in survey.shape(wrapper).children.items()
        if (*wrapper, name) not in layout.wrappers
    }
    last_names = [path[-1] for path in shapes]
    names = distinct(path[-1] if last_names.count(path[-1]) == 1 else "/".join(path) for path in shapes)
    return {path: RowKind(record_of(shape), name) for (path, shape), name in zip(shapes.items(), names, strict=True)}


def _text_columns(survey: DocumentSurvey) -> dict[Path, str]:
    return {path: "/".join((*path, TEXT)) for path in survey.texts}


def _constants(survey: DocumentSurvey, taken: Iterable[str]) -> list[Constant]:
    found = [
        Constant("/".join((*path, f"@{name}")), VARCHAR, value)
        for path, attributes in survey.attributes.items()
        for name, value in zip(attributes[::2], attributes[1::2], strict=True)
    ]
    items: dict[Path, list[Node]] = {}
    for path, node in survey.envelope:
        items.setdefault(path, []).append(node)
    found += [_envelope_constant(survey, path, nodes) for path, nodes in items.items()]
    before = list(taken)
    names = distinct([*before, *(constant.name for constant in found)])[len(before) :]
    return [Constant(name, of.structure, of.value) for name, of in zip(names, found, strict=True)]


def _envelope_constant(survey: DocumentSurvey, path: Path, nodes: list[Node]) -> Constant:
    shape = survey.shape(path)
    record = record_of(shape)
    values: list[Any] = [record.values(node) if record else plain_text(node) for node in nodes]
    structure = record.fields() if record else VARCHAR
    name = "/".join(path)
    return Constant(name, [structure], values) if shape.count > 1 else Constant(name, structure, values[0])


def _constant(constant: Constant) -> str:
    if constant.structure == VARCHAR:
        return f"{literal(constant.value)}::VARCHAR"
    value, structure = orjson.dumps(constant.value).decode(), orjson.dumps(constant.structure).decode()
    return f"json_transform({literal(value)}::JSON, {literal(structure)})"


def original_name(name: str) -> str | None:
    """Return the name in the source of a column that had to be renamed."""
    match = _RENAMED.fullmatch(name)
    return match[1] if match else None
