"""The rule that makes keys of members' names."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.confined.archives.taken_keys import TakenKeys
from processor.domain.keys import unescape
from processor.domain.members import LONGEST_SUFFIX_BYTES, member_key

HOSTILE_PIECES = [
    b".",
    b"..",
    b"/",
    b"\\",
    b"%",
    b"%2E",
    b"#",
    b"%23",
    b"a",
    b"C:",
    b"\0",
    b"\xff",
    "ä".encode(),
    b"\n",
]
names = st.lists(st.one_of(st.sampled_from(HOSTILE_PIECES), st.binary(max_size=3)), max_size=12).map(b"".join)


def undone(key: str) -> bytes:
    return unescape(key)


def without_leading_dots(name: bytes) -> bytes:
    while name.startswith(b"./") and name != b"./":
        name = name[2:]
    return name


@pytest.mark.parametrize(
    ("name", "key"),
    [
        (b"a/b.csv", "a/b.csv"),
        (b"./a", "a"),
        (b"../../etc/passwd", "%2E%2E/%2E%2E/etc/passwd"),
        (b"a/../../b", "a/%2E%2E/%2E%2E/b"),
        (b"a/./b", "a/%2E/b"),
        (b"/etc/passwd", "%2Fetc/passwd"),
        (b"//server/share", "%2F%2Fserver/share"),
        (b"a//b", "a/%2Fb"),
        (b"..\\..\\x", "..%5C..%5Cx"),
        (b"C:\\Windows\\x", "C%3A%5CWindows%5Cx"),
        (b"c:/x", "c%3A/x"),
        (b"..", "%2E%2E"),
        (b"...", "..."),
        (b"..a/b..", "..a/b.."),
        (b"line\nfeed", "line%0Afeed"),
        (b"nul\0", "nul%00"),
        (b"\xff", "%FF"),
        (b"%2E%2E/x", "%252E%252E/x"),
        ("größe 1.csv".encode(), "größe 1.csv"),
    ],
)
def test_a_name_becomes_the_key_that_the_rule_says(name: bytes, key: str) -> None:
    assert member_key(name) == key


@given(names)
def test_a_key_can_be_undone_so_two_names_never_share_one(name: bytes) -> None:
    assert undone(member_key(name)) == without_leading_dots(name)


@given(names)
def test_no_key_leads_out_of_the_archives_place_or_names_nothing(name: bytes) -> None:
    key = member_key(name)
    components = key.split("/")
    assert not {".", ".."} & set(components)
    assert key == "" or "" not in components
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\\]", key)


@given(names, st.integers(0, 10**6), names, st.one_of(st.none(), st.integers(0, 10**6)))
def test_a_numbered_key_is_no_other_members_key(
    name: bytes, index: int, other_name: bytes, other_index: int | None
) -> None:
    if other_index != index:
        assert member_key(name, index) != member_key(other_name, other_index)


@given(st.binary(min_size=300, max_size=3000), st.one_of(st.none(), st.just(7)))
def test_an_overlong_key_is_cut_to_its_limit_without_a_broken_character_or_escape(
    name: bytes, again: int | None
) -> None:
    key = member_key(name, again)
    assert len(key.encode()) <= LONGEST_SUFFIX_BYTES
    assert ".." not in key.split("/")


def test_overlong_names_that_differ_only_at_their_end_have_different_keys() -> None:
    assert member_key(b"x" * 2000 + b"a") != member_key(b"x" * 2000 + b"b")


@given(st.lists(st.text(max_size=5), max_size=3000))
def test_claims_tell_whether_a_key_was_there_before(keys: list[str]) -> None:
    claims, seen = TakenKeys(), set()
    for key in keys:
        assert claims.add(key) == (key not in seen)
        seen.add(key)


def test_claims_grow_and_forget_nothing() -> None:
    claims = TakenKeys()
    assert all(claims.add(f"key {number}") for number in range(20_000))
    assert not any(claims.add(f"key {number}") for number in range(20_000))
