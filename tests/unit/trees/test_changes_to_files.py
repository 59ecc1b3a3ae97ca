"""Only `processor.trees` changes what strangers can reach; other places are named here, with their reason."""

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[3] / "processor"

_OF_OS = frozenset(
    (
        *("rename", "renames", "replace", "unlink", "remove", "removedirs", "rmdir", "link", "symlink", "mkdir"),
        *("makedirs", "mkfifo", "mknod", "truncate", "chmod", "chown", "lchown", "utime", "setxattr", "removexattr"),
    )
)
_OF_PATHS = frozenset(
    (
        *("rename", "unlink", "rmdir", "mkdir", "touch", "symlink_to", "hardlink_to", "write_text", "write_bytes"),
        *("chmod", "lchmod"),
    )
)
_FLAGS = frozenset({"O_CREAT", "O_WRONLY", "O_RDWR", "O_TRUNC", "O_APPEND", "O_TMPFILE"})
_MODULES = frozenset({"shutil", "tempfile"})

_OUTPUT = "writes where its caller asked it to, by descriptor"
_LEDGER = "the ledger's own files, in the daemon's own directory"
_PIPE = "a pipe, by its descriptor"
_SHOWN = "asks for the size of the terminal, or copies from stream to stream"
_ELEMENTS = "renames XML elements, no files"
ALLOWED = {
    "__main__": ("opens /dev/null in place of closed standard streams", {"os.O_RDWR"}),
    "cli/main": ("opens /dev/null in place of a standard output that was closed", {"os.O_WRONLY"}),
    "cli/one_file": (_SHOWN, {"shutil"}),
    "cli/parser": (_SHOWN, {"shutil"}),
    "cli/status": (_SHOWN, {"shutil"}),
    "commands/convert": (
        "standard input, into a directory of its own, which nobody else can enter",
        {"open", "shutil", "tempfile"},
    ),
    "commands/directories": ("tries a directory by a file without a name", {"tempfile"}),
    "commands/extract": (_OUTPUT, {".mkdir"}),
    "commands/output_directory": (
        _OUTPUT,
        {"os.O_CREAT", "os.O_WRONLY", "os.link", "os.mkdir", "os.rename", "os.unlink"},
    ),
    "commands/progress": (_SHOWN, {"shutil"}),
    "confined/entrypoint": ("opens /dev/null, for what a warm-up makes", {"open"}),
    "confined/formats/xml/namespaces": (_ELEMENTS, {".rename"}),
    "confined/formats/xml/parser": (_ELEMENTS, {".rename"}),
    "daemon/control_socket": ("the daemon's own socket, beside the ledger", {".unlink"}),
    "daemon/factories": (_LEDGER, {".rename", ".unlink"}),
    "ledger/database": (_LEDGER, {".rename", ".touch", "os.O_CREAT", "os.O_RDWR"}),
    "store/embedded": (
        "the embedded server's own files, in the daemon's own directory",
        {".chmod", ".mkdir", ".unlink", "open"},
    ),
    "store/embedded_binary": ("looks for a program", {"shutil"}),
    "store/embedded_keys": (
        "the embedded server's own files, in the daemon's own directory",
        {".rename", "os.O_CREAT", "os.O_TRUNC", "os.O_WRONLY"},
    ),
    "streams/feed": (_PIPE, {"open"}),
    "tables/open_catalog": ("the catalog's own database, beside the ledger", {"os.O_CREAT", "os.O_WRONLY"}),
}


def test_strangers_directories_are_changed_in_one_place() -> None:
    found: dict[str, set[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        module = path.relative_to(PACKAGE).with_suffix("").as_posix()
        if not module.startswith("trees/"):
            found[module] = set(changes(ast.parse(path.read_text(encoding="utf-8"))))
    allowed = {module: names for module, (_, names) in ALLOWED.items()}
    assert {module: names for module, names in found.items() if names} == allowed


def test_the_search_finds_each_way_to_change_a_file() -> None:
    source = """
import os, shutil, tempfile
from os import unlink
from pathlib import Path
os.rename(a, b)
path.rename(b)
path.replace(b)
path.write_text(b)
path.open("r+")
open(a, "wb")
open(a, mode="x")
os.open(a, os.O_RDWR)
"""
    harmless = """
text.replace("a", "b")
when.replace(tzinfo=UTC)
open(a, "rb")
open(a)
os.open(a, os.O_RDONLY)
path.open()
"""
    assert sorted(changes(ast.parse(source))) == sorted(
        ["shutil", "tempfile", "os.unlink", "os.rename", "os.O_RDWR", ".rename", ".replace", ".write_text"]
        + ["open"] * 3
    )
    assert list(changes(ast.parse(harmless))) == []


def changes(tree: ast.Module) -> Iterator[str]:
    """Yield a name for everything that may change a file or a directory by its path."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names if alias.name in _MODULES)
            case ast.ImportFrom(module="os", names=names):
                yield from (f"os.{alias.name}" for alias in names if alias.name in _OF_OS | _FLAGS)
            case ast.ImportFrom(module=str(name)) if name in _MODULES:
                yield name
            case ast.Attribute(value=ast.Name(id="os"), attr=name) if name in _OF_OS | _FLAGS:
                yield f"os.{name}"
            case ast.Call(func=ast.Attribute(value=ast.Name(id="os"))):
                pass
            case ast.Call(func=ast.Attribute(attr=name)) if name in _OF_PATHS:
                yield f".{name}"
            case ast.Call(func=ast.Attribute(attr="replace"), args=[_], keywords=[]):
                yield ".replace"
            case ast.Call(func=ast.Name(id="open"), args=arguments, keywords=keywords):
                yield from _writing(arguments[1:], keywords)
            case ast.Call(func=ast.Attribute(attr="open"), args=arguments, keywords=keywords):
                yield from _writing(arguments, keywords)


def _writing(arguments: list[ast.expr], keywords: list[ast.keyword]) -> Iterator[str]:
    modes = [*arguments[:1], *(keyword.value for keyword in keywords if keyword.arg == "mode")]
    for mode in modes:
        if isinstance(mode, ast.Constant) and isinstance(mode.value, str) and set(mode.value) & set("wax+"):
            yield "open"
