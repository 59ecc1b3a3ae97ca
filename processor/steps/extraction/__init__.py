"""Take an archive apart as a stream: its members go to a sink one after another, nothing is unpacked to disk.

archive     the way in: `extract`                                             ranges     how several workers share a zip
delivery    what becomes of each entry: as it is, as Parquet, opened in turn      sink       who receives them
opening     any kind of archive as a run of entries                               entry      one of them
zip         zip_directory, zip_member                                             tar        tar_header, tar_sparse
codecs      gzip, bzip2, xz, zstd (zstd_frame)                                    stream     bytes that pass once
proof       a compressed tar is checked as a whole before a member is complete    meter      limits on real bytes
content     a member as a source for a converter                                  claims     which keys are taken
seeking     a member as a file that can be sought: a zip within an archive
ranges      how several workers share a zip                                       directory  a sink that writes files
problems    what costs a member, and what the archive
"""
