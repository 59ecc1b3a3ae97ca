"""Unpack an archive as a stream, never to disk.

tar/            Read tar archives
zip/            Read zip archives
byte_stream     Read a forward-only byte stream in chosen sizes
codecs          Decompress gzip, bzip2, xz and zstd, checked to the end
dispatch        Send each entry on: as it is, converted, or opened
entry           One entry of an archive, as its reader found it
errors          Archive failures: one bad member, or the whole archive
extract         Extract an archive: send its members to a sink
integrity_scan  Check a compressed tar whole before its members count
limits          Limits on the bytes and members that an archive yields
member_source   A member's content as a source for converters
open            Open an archive of any kind as entries
seekable        Make a forward-only member seekable, for nested zips
sink            The receiver of extracted members (protocol)
taken_keys      Set of the keys taken so far, eight bytes each
zip_shares      Split one zip into shares for several workers
zstd_frame      Decompress one zstd frame at a time (RFC 8878)
"""
