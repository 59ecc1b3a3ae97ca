"""Names of elements and attributes, with namespaces where needed.

A name stays as it is written (`dc:title`) as long as its prefix stands for one namespace in the whole file, and that
namespace for one prefix. A prefix that is declared with several URIs, a default namespace that only parts of the file
have, and prefixes in use for one and the same URI are replaced by the URI: `{http://purl.org/dc/elements/1.1/}title`.
Declarations (`xmlns`) are not values; they are recorded as facts.
"""

from collections import Counter
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Any

from processor.domain.errors import refused

_DECLARATION = "xmlns"
_ATTRIBUTES, _PARTS = 1, 2


class Names:
    """The namespaces in scope and all that were declared; `ambiguous` prefixes are written as URIs."""

    def __init__(self, ambiguous: frozenset[str] = frozenset()) -> None:
        self.ambiguous = ambiguous
        self.declared: dict[str, set[str]] = {}  # prefix ('' for the default) -> URIs
        self._scopes: list[dict[str, str]] = [{}]

    def found_ambiguous(self, used: Iterable[AbstractSet[str]]) -> frozenset[str]:
        """Return the prefixes with more than one meaning, and those that mean the same in one of the `used` sets.

        Elements and attributes are sets of their own: an attribute needs a prefix where elements have the default.
        """
        found = {prefix for prefix, uris in self.declared.items() if len(uris) > 1}
        for prefixes in used:
            meanings = Counter(uri for prefix in prefixes for uri in self.declared.get(prefix, ()))
            found |= {each for each in prefixes if any(meanings[uri] > 1 for uri in self.declared.get(each, ()))}
        return frozenset(found)

    def enter(self, attributes: list[str]) -> None:
        """Open the scope of an element."""
        scope = self._scopes[-1]
        declarations = _declarations(attributes) if attributes else {}
        if declarations:
            self._record(declarations, is_root=len(self._scopes) == 1)
            scope = scope | declarations
        self._scopes.append(scope)

    def leave(self) -> None:
        """Close the innermost scope."""
        self._scopes.pop()

    def element(self, name: str) -> str:
        """Return the name of an element in the innermost scope."""
        return self._resolved(name, prefix_of(name)) if self.ambiguous else name

    def attributes(self, attributes: list[str]) -> list[str]:
        """Return `attributes` without declarations, with the names they have in the innermost scope."""
        if not any(name.startswith(_DECLARATION) for name in attributes[::2]) and not self.ambiguous:
            return attributes
        kept: list[str] = []
        for name, value in zip(attributes[::2], attributes[1::2], strict=True):
            if name == _DECLARATION or name.startswith(_DECLARATION + ":"):
                continue
            # An attribute without prefix has no namespace, whatever the default is.
            prefix = name.partition(":")[0] if ":" in name else None
            kept += (name if prefix is None else self._resolved(name, prefix), value)
        if len(set(kept[::2])) < len(kept) // 2:
            raise refused("xml.not-well-formed", f"one element has an attribute twice: {', '.join(kept[::2])}")
        return kept

    def rename(self, node: list[Any]) -> None:
        """Give `node`, whose scope is open, and all elements below it their names."""
        node[0] = self.element(node[0])
        node[_ATTRIBUTES] = self.attributes(node[_ATTRIBUTES])
        self._rename_below(node)

    def _rename_below(self, node: list[Any]) -> None:
        for part in node[_PARTS]:
            if part.__class__ is list:
                if part[_ATTRIBUTES] or self.ambiguous:
                    self.enter(part[_ATTRIBUTES])
                    self.rename(part)
                    self.leave()
                elif part[_PARTS]:
                    self._rename_below(part)

    def _record(self, declarations: dict[str, str], *, is_root: bool) -> None:
        for prefix, uri in declarations.items():
            uris = self.declared.setdefault(prefix, set())
            uris.add(uri)
            if not prefix and not is_root:
                uris.add(self._scopes[1].get("", ""))  # what a name without prefix meant to the root

    def _resolved(self, name: str, prefix: str) -> str:
        if prefix not in self.ambiguous:
            return name
        uri = self._scopes[-1].get(prefix, "")
        return f"{{{uri}}}{name.rpartition(':')[2]}" if uri else name


def prefix_of(name: str) -> str:
    """Return the prefix of a name as it is written; '' for one without, and for one that has its URI."""
    return name.partition(":")[0] if ":" in name and not name.startswith("{") else ""


def _declarations(attributes: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in zip(attributes[::2], attributes[1::2], strict=True):
        if name == _DECLARATION:
            found[""] = value
        elif name.startswith(_DECLARATION + ":"):
            found[name[len(_DECLARATION) + 1 :]] = value
    return found
