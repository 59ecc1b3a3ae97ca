"""Split one zip into shares for several workers."""

from contextlib import closing

from processor.confined.archives.zip.reader import ZipReader
from processor.domain.archives import ExtractionOptions, NestedArchives
from processor.domain.files import ArchiveKind
from processor.streams.source import Source

ALL = range(2**63 - 1)
_BYTES_PER_MEMBER = 64 << 10  # what a member costs beside its own bytes, told in bytes
_FEWEST_BYTES = 4 << 20  # a range smaller than this is not worth a worker


def plan_ranges(
    source: Source, kind: ArchiveKind, options: ExtractionOptions, workers: int, most_members: int | None = None
) -> list[range]:
    """Return at most `workers` ranges of member indexes, about equally much work, which together hold all members.

    With `most_members`, none has more, so there may be more of them.

    Only a zip can be shared, and only when its nested archives stay closed: their members count as they come. Raises
    BrokenArchiveError when the zip can not be read.
    """
    if kind is not ArchiveKind.ZIP or workers < 2 or options.nested is NestedArchives.EXTRACT:  # noqa: PLR2004
        return [ALL]
    with closing(ZipReader(source, options.limits)) as reader:
        total = reader.survey.compressed_bytes + reader.survey.entries * _BYTES_PER_MEMBER
        share = max(-(-total // workers), _FEWEST_BYTES)
        return _split(reader, share, most_members)


def _split(reader: ZipReader, share: int, most_members: int | None) -> list[range]:
    ranges, start, taken = [], 0, 0
    for index, size in enumerate(reader.compressed_sizes()):
        if taken >= share or index - start == most_members:
            ranges.append(range(start, index))
            start, taken = index, 0
        taken += size + _BYTES_PER_MEMBER
    return [*ranges, range(start, ALL.stop)]
