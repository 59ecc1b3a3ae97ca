"""Feeds match paths as gitignore does, members as paths below their archive; the first feed counts."""

import pytest

from processor.domain.conversion import DataFormat
from processor.domain.declarations import Declaration
from processor.domain.detection import detect
from processor.domain.errors import DeliveryError
from processor.domain.feeds import Feed, Feeds
from processor.domain.files import ArchiveKind, FileMetadata, FileType
from processor.feeds.patterns import path_pattern


def feed(name: str, *match: str, **more: object) -> Feed:
    return Feed(name, tuple(map(path_pattern, match)), **more)  # type: ignore[arg-type]


FEEDS = Feeds(
    (
        feed("orders", "orders/**/*.csv", "!orders/**/draft-*.csv", "mail.zip/**/orders-*.csv"),
        feed("all", "*.csv", "packed.zip"),
    )
)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("orders/a.csv", "orders"),
        ("orders/2024/05/a.csv", "orders"),
        ("orders/2024/draft-a.csv", "all"),
        ("other/orders/a.csv", "all"),
        ("a.csv", "all"),
        ("orders/a.txt", None),
        ("mail.zip/x/y/orders-1.csv", "orders"),
        ("mail.zip/orders-1.csv", "orders"),
        ("mail.zip/x.csv", "all"),
        ("packed.zip/anything.bin", "all"),
        ("packed.zip", "all"),
        ("orders/ä\udcff.csv", "orders"),
    ],
)
def test_the_first_feed_that_matches_is_a_path_s(path: str, name: str | None) -> None:
    found = FEEDS.of(path.encode("utf-8", "surrogateescape"))
    assert (found and found.name) == name


def test_only_feeds_that_may_match_below_an_archive_travel_with_it() -> None:
    def names(archive: bytes) -> list[str]:
        return [feed.name for feed in FEEDS.below(archive).feeds]

    assert names(b"mail.zip") == ["orders", "all"]
    assert names(b"post.zip") == ["all"]
    assert names(b"orders/a.zip") == ["orders", "all"]
    assert FEEDS.none.feeds == ()


def admitted(path: bytes, feeds: Feeds) -> FileMetadata:
    return FileMetadata(b"/in/" + path, path, 1, 1, 1).among(feeds)


def test_a_format_holds_instead_of_the_name_but_not_for_an_archive() -> None:
    feeds = Feeds((feed("logs", "*.dat", "*.zip", format=DataFormat.CSV),))
    assert admitted(b"a.dat", feeds).kind.data is DataFormat.CSV
    assert admitted(b"a.zip", feeds).kind.archive is ArchiveKind.ZIP
    assert admitted(b"a.bin", feeds).kind.type is FileType.REGULAR
    (logs,) = feeds.feeds
    assert detect(b"a.dat", b"x,y\n1,2\n", feed=logs).data is DataFormat.CSV
    assert detect(b"a.zip", b"PK\x03\x04...", feed=logs).archive is ArchiveKind.ZIP
    assert detect(b"a.zip", b"x,y\n1,2\n", feed=logs).data is DataFormat.CSV
    assert detect(b"a.dat", b"x,y\n1,2\n").type is FileType.REGULAR


def test_content_that_contradicts_a_declared_format_is_refused() -> None:
    logs = feed("logs", "*.dat", format=DataFormat.CSV)
    with pytest.raises(DeliveryError) as raised:
        detect(b"a.dat", b"%PDF-1.7", feed=logs)
    assert raised.value.failure.code == "feed.other-content"
    assert "'logs'" in str(raised.value)


def test_an_empty_file_is_a_table_only_where_declared_so() -> None:
    with pytest.raises(DeliveryError) as raised:
        detect(b"a.dat", b"", feed=feed("logs", "*.dat", format=DataFormat.CSV))
    assert raised.value.failure.code == "feed.empty-file"
    empty = Declaration("logs", "", empty_file=True)
    declared = feed("logs", "*.dat", format=DataFormat.CSV, declaration=empty)
    assert detect(b"a.dat", b"", feed=declared).data is DataFormat.CSV
    assert detect(b"a.csv", b"").mismatch
