"""Take an archive apart as a stream: its members go to a sink one after another, nothing is unpacked to disk.

delivery    what becomes of each entry: as it is, as Parquet, opened in turn      sink       who receives them
opening     any kind of archive as a run of entries                               entry      one of them
zip         zip_directory, zip_member                                             tar        tar_header, tar_sparse
codecs      gzip, bzip2, xz, zstd (zstd_frame)                                    stream     bytes that pass once
proof       a compressed tar is checked as a whole before a member is complete    meter      limits on real bytes
content     a member as a source for a converter                                  claims     which keys are taken
ranges      how several workers share a zip                                       directory  a sink that writes files
problems    what costs a member, and what the archive
"""

import os

from processor.domain.archives import ExtractionOptions
from processor.domain.files import ArchiveKind
from processor.domain.members import Member
from processor.steps.conversion import Metadata
from processor.steps.extraction.delivery import Delivery, Extraction
from processor.steps.extraction.meter import Meter
from processor.steps.extraction.sink import Sink, Stored
from processor.streams.source import Source

__all__ = ["Extraction", "extract"]


def _nothing_stored(_member: Member) -> bool:
    return False


def extract(
    source: Source,
    kind: ArchiveKind,
    options: ExtractionOptions,
    sink: Sink,
    *,
    stored: Stored = _nothing_stored,
    members: range | None = None,
    metadata: Metadata = (),
) -> Extraction:
    """Send the members of `source` to `sink` and return what became of them.

    `stored` tells which members need not be sent again. `members` confines a zip to some of its indexes (see
    `ranges.plan_ranges`). `metadata` goes into every Parquet. Bad members are told to the sink and counted. Raises
    BrokenArchiveError, after the good members before that place, when the archive itself can not be read further.
    """
    delivery = Delivery(options, sink, stored, Meter(options.limits, source.size_bytes or 0), metadata)
    delivery.run(source, kind, os.fsencode(source.name), members)
    return delivery.result
