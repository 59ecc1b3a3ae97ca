"""Laws of keys: reversible, injective, and who could own one."""

from hypothesis import example, given
from hypothesis import strategies as st

from processor.domain.keys import escape, manifest_key, parquet_key, path_key, possible_owners, unescape

NAMES = st.binary(min_size=1, max_size=40).filter(lambda name: b"/" not in name and b"\0" not in name)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map(b"/".join)


@given(st.binary(max_size=60))
@example(b"100%.csv")
@example(b"%41")
@example(b"%2\xff")
@example("caf\u00e9 \U0001f600\n'\"".encode())
def test_an_escaped_name_can_be_read_back(raw: bytes) -> None:
    text = escape(raw)
    text.encode("utf-8")
    assert unescape(text) == raw


@given(PATHS, PATHS)
@example(b"_manifests/a", b"%5Fmanifests/a")
@example(b"\xff", b"%FF")
def test_two_paths_never_share_a_key_or_a_manifest(one: bytes, other: bytes) -> None:
    assert (path_key(one) == path_key(other)) == (one == other)
    assert (manifest_key(one) == manifest_key(other)) == (one == other)


@given(PATHS)
@example(b"_manifests/a.json")
@example(b"_probe/x")
@example(b"_staging/x")
def test_no_file_is_stored_among_what_is_ours(path: bytes) -> None:
    assert not path_key(path).startswith(("_manifests/", "_probe/", "_staging/"))


def test_an_ordinary_path_is_its_own_key() -> None:
    for name in ("a/b.pdf", "with space", "100%", "emoji \U0001f600", "quote'\"", "a.b/..c"):
        assert path_key(name.encode()) == name


@given(PATHS)
def test_whoever_can_write_a_key_is_among_its_possible_owners(path: bytes) -> None:
    key = path_key(path)
    for written in (key, parquet_key(key), f"{parquet_key(key)}.rejects.jsonl", f"{key}/member.csv.parquet"):
        assert path in possible_owners(written)
