"""Two runs side by side: each difference once, under the gravest of its kinds."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.golden.record import Record, Table

MESSAGE = "message changed"


@dataclass(frozen=True, slots=True)
class Run:
    """The records of one file that `make` wrote, by path and settings."""

    records: Mapping[tuple[str, str], Record]
    sampled: bool


@dataclass(frozen=True, slots=True)
class Difference:
    """One record that is not as it was."""

    kind: str
    key: tuple[str, str]
    before: str
    after: str


def read(path: Path) -> Run:
    with path.open(encoding="utf-8") as lines:
        head = json.loads(next(lines))
        records = [Record.of(json.loads(line)) for line in lines]
    return Run({record.key: record for record in records}, sampled=head["every"] > 1)


def differences(before: Run, after: Run) -> list[Difference]:
    """Return what differs. A file that one run lacks is a difference, unless that run is a sample."""
    found = []
    for key in sorted(before.records.keys() | after.records.keys()):
        old, new = before.records.get(key), after.records.get(key)
        if old is None or new is None:
            run = before if old is None else after
            if not run.sampled:
                found.append(Difference("only in one", key, _told(old), _told(new)))
        elif (difference := difference_of(old, new)) is not None:
            found.append(difference)
    return found


def difference_of(old: Record, new: Record) -> Difference | None:
    """Return the gravest way in which the two differ."""
    kind, before, after = next(_kinds(old, new), (None, "", ""))
    return Difference(kind, old.key, before, after) if kind else None


def _kinds(old: Record, new: Record) -> Iterator[tuple[str, str, str]]:
    if old.table is not None and new.table is not None:
        yield from _table_kinds(old.table, new.table)
        return
    if (old.table is None) != (new.table is None):
        yield ("refused -> accepted" if old.table is None else "accepted -> refused"), _told(old), _told(new)
    if old.code != new.code:
        yield "code changed", _told(old), _told(new)
    if old.members != new.members:
        names = [
            name
            for name in sorted(old.members.keys() | new.members.keys())
            if old.members.get(name) != new.members.get(name)
        ]
        yield "members changed", f"{len(old.members)} members", f"{len(new.members)}; others: {' '.join(names)}"
    if old.message != new.message:
        yield MESSAGE, old.message, new.message


def _table_kinds(old: Table, new: Table) -> Iterator[tuple[str, str, str]]:
    for what in ("rows", "names", "types", "rejects", "notes"):
        before, after = getattr(old, what), getattr(new, what)
        if before != after:
            yield f"{what} changed", str(before), str(after)
    changed = [
        name for name in sorted(old.facts.keys() | new.facts.keys()) if old.facts.get(name) != new.facts.get(name)
    ]
    if changed:
        told = [{name: facts.get(name) for name in changed} for facts in (old.facts, new.facts)]
        yield f"facts changed: {', '.join(changed)}", str(told[0]), str(told[1])
    if old.sha256 != new.sha256:
        yield "bytes changed", old.sha256, new.sha256


def _told(record: Record | None) -> str:
    if record is None:
        return "-"
    if record.table is not None:
        return f"{record.table.rows} rows, {len(record.table.names)} columns"
    return f"{record.code}: {record.message}"


def report(found: Iterable[Difference], show: int) -> str:
    """Return the differences, the most frequent kind first, with some of each."""
    groups: dict[str, dict[str, list[Difference]]] = defaultdict(lambda: defaultdict(list))
    for difference in found:
        groups[difference.kind][difference.key[0]].append(difference)
    lines = []
    for kind, paths in sorted(groups.items(), key=lambda item: -len(item[1])):
        lines.append(f"{kind}: {len(paths)} files, {sum(map(len, paths.values()))} conversions")
        for path, group in list(paths.items())[:show]:
            before, after = _excerpts(group[0].before, group[0].after)
            lines += [
                f"    {path}  [{'; '.join(one.key[1] for one in group)}]",
                f"      - {before}",
                f"      + {after}",
            ]
    return "\n".join(lines)


def _excerpts(before: str, after: str) -> tuple[str, str]:
    """Return both from a little before where they begin to differ."""
    same = next((at for at, (old, new) in enumerate(zip(before, after, strict=False)) if old != new), 0)
    start = max(0, same - 40)
    return before[start : start + 300], after[start : start + 300]
