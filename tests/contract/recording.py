"""What tests of uploads share: parts of the least size, a recorder that keeps what it is told, and what was sent."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from processor.domain.uploads import Part, Protection, Resumption
from tests.faultproxy import FaultProxy, Seen

PART = 5 * 1024 * 1024

under_any_protection = pytest.mark.parametrize("store", Protection, indirect=True)


@dataclass
class Ledger:
    """Keeps what a recorder is told, as the ledger does."""

    upload_id: str | None = None
    parts: dict[int, Part] = field(default_factory=dict)

    def upload_created(self, _key: str, upload_id: str) -> None:
        self.upload_id, self.parts = upload_id, {}

    def part_stored(self, _key: str, part: Part) -> None:
        self.parts[part.number] = part

    def upload_ended(self, _key: str, upload_id: str) -> None:
        assert upload_id == self.upload_id
        self.upload_id, self.parts = None, {}

    @property
    def resumption(self) -> Resumption | None:
        return None if self.upload_id is None else Resumption(self.upload_id, dict(self.parts))


def is_part(number: int) -> Callable[[Seen], bool]:
    return lambda seen: seen.part == number


def parts_sent(proxy: FaultProxy) -> list[int]:
    return [seen.part for seen in list(proxy.seen) if seen.part]
