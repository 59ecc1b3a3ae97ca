"""Options for opening archives, by the settings."""

from processor.config.settings import Settings
from processor.domain.archives import ArchiveLimits, ExtractionOptions
from processor.feeds.patterns import member_patterns


def extraction_options(settings: Settings) -> ExtractionOptions:
    """Return what the settings say of archives. Raises ValueError for a pattern of INCLUDE or EXCLUDE that is none."""
    limits = ArchiveLimits(
        archive_bytes=settings.max_archive_bytes,
        member_bytes=settings.max_member_bytes,
        members=settings.max_archive_members,
        ratio=settings.max_archive_ratio,
        depth=settings.max_archive_depth,
        decoder_memory_bytes=settings.max_decoder_memory,
        overlapping_entries=settings.allow_overlapping_entries,
    )
    patterns = member_patterns(settings.include, settings.exclude)
    return ExtractionOptions(limits, settings.nested_archives, settings.conversion, patterns=patterns)
