"""What the source says of itself: names of events and of failures, read from its syntax trees."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
_LEVELS = {"debug", "info", "warning", "error", "critical"}
_DOTTED = re.compile(r"[a-z0-9]+\.[a-z0-9-]+")
# Dotted names that are neither events nor failures: files of the embedded server, suffixes, places in the package.
_OTHERS = re.compile(
    r".*\.(sql|json|toml|log|grpc|css|js|svg|html|db|sock|py|gz|bz2|xz|zst|0)|processor\.[a-z]+|object\.[a-z]+"
)


def trees() -> Iterator[ast.Module]:
    for path in sorted((ROOT / "processor").rglob("*.py")):
        yield ast.parse(path.read_text(encoding="utf-8"), str(path))


def events() -> set[str]:
    """Return the first argument of everything that is logged, and of every WatchEvent, which is logged later."""
    found: set[str] = set()
    for tree in trees():
        names = _constants(tree)
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args):
            if _is_log(call) or (isinstance(call.func, ast.Name) and call.func.id == "WatchEvent"):
                found |= _strings(call.args[1 if _method(call) == "log" else 0], names)
    return found


def failure_codes() -> set[str]:
    """Return every dotted name that is no event; and the codes of archives, whose prefix is added by a function."""
    found: set[str] = set()
    for tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and _DOTTED.fullmatch(node.value):
                found.add(node.value)
            if isinstance(node, ast.Call) and _called(node) in ("broken", "bad_member"):
                found |= {f"archive.{code}" for code in _strings(node.args[0], {})}
    return {name for name in found if not _OTHERS.fullmatch(name)} - events()


def _is_log(call: ast.Call) -> bool:
    method = _method(call)
    owner = call.func.value if isinstance(call.func, ast.Attribute) else None
    named = isinstance(owner, ast.Name) and owner.id in ("log", "event")
    own = isinstance(owner, ast.Attribute) and owner.attr == "log"
    return (named or own) and method in _LEVELS | {"log"}


def _method(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def _called(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _constants(tree: ast.Module) -> dict[str, str]:
    return {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _strings(node: ast.expr, names: dict[str, str]) -> set[str]:
    """Return every text that the expression may be."""
    match node:
        case ast.Constant(value=str(text)):
            return {text}
        case ast.IfExp(body=body, orelse=orelse):
            return _strings(body, names) | _strings(orelse, names)
        case ast.Name(id=name) if name in names:
            return {names[name]}
        case _:
            return set()
