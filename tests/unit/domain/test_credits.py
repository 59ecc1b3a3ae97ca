"""How many files are on their way together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.domain.credits import SMALL_BYTES, Credits
from processor.domain.files import FileMetadata, FileType, Kind


def file_of(size_bytes: int, kind: FileType = FileType.REGULAR) -> FileMetadata:
    return FileMetadata(b"/w/a", b"a", size_bytes, 2, 3, Kind(kind))


@pytest.mark.parametrize(("places", "small"), [(1, 1), (2, 8), (4, 16), (16, 64), (20, 60), (64, 64), (256, 256)])
def test_small_files_share_places_up_to_a_bound(places: int, small: int) -> None:
    assert Credits(places).total == small


def test_a_place_is_shared_by_small_files_that_are_no_archives() -> None:
    credits_ = Credits(4)
    assert credits_.cost(file_of(0)) == credits_.cost(file_of(SMALL_BYTES, FileType.DATABASE)) == 1
    assert credits_.cost(file_of(SMALL_BYTES + 1)) == 4
    assert credits_.cost(file_of(10, FileType.ARCHIVE)) == 4


@given(st.integers(1, 256), st.lists(st.sampled_from([10, 10**9]), max_size=600))
def test_whatever_comes_no_more_large_files_than_places_are_on_their_way(places: int, sizes: list[int]) -> None:
    credits_ = Credits(places)
    room, admitted = credits_.total, []
    for size in sizes:
        if room <= 0:
            break
        admitted.append(size)
        room -= credits_.cost(file_of(size))
    assert sum(size > SMALL_BYTES for size in admitted) <= places
    assert len(admitted) <= max(places, 64)
