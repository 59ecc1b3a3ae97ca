"""Extract an archive: send its members to a sink."""

import os

from processor.confined.archives.dispatch import Delivery
from processor.confined.archives.limits import Meter
from processor.confined.archives.sink import Sink, Stored
from processor.domain.archives import ExtractionOptions
from processor.domain.conversion import Facts
from processor.domain.files import ArchiveKind
from processor.domain.members import Member
from processor.streams.source import Source


def nothing_stored(_member: Member) -> bool:
    """Tell that the member has to be sent."""
    return False


def extract(
    source: Source,
    kind: ArchiveKind,
    options: ExtractionOptions,
    sink: Sink,
    stored: Stored = nothing_stored,
    metadata: Facts = (),
    *,
    members: range | None = None,
) -> int:
    """Send the members of `source` to `sink`; return how many entries were passed, directories included.

    `stored` tells which members need not be sent again. `metadata` goes into every Parquet. `members` confines a zip
    to some of its indexes (see `ranges.plan_ranges`). A bad member is told to the sink and costs no other. Raises
    BrokenArchiveError, after the good members before that place, when the archive itself can not be read further.
    """
    delivery = Delivery(options, sink, stored, Meter(options.limits, source.size_bytes or 0), metadata)
    delivery.run(source, kind, os.fsencode(source.name), members)
    return delivery.meter.entries
