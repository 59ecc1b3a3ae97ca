"""Words and decisions: plain values and pure functions.

No I/O, no third party.

archives      Options and limits for opening archives
codes         Codes of all failures that a daemon may meet
column_types  Types that a feed may declare for its columns
conversion    Conversion options, and the receipt of a written table
credits       Limit on the number of jobs in flight
declarations  Declarations: how the files of a feed are read
detection     Detect a file's type: its name proposes, its content confirms
errors        Failures as values: class, code, message and hint
feeds         Feeds: files that belong together, and where they match
files         Files, their metadata, and the types their names propose
foreign_text  Recognize texts named like tables that are none
identity      Recognise a file by what changes with its content
jobs          Jobs and their routing slips
key_template  Templates of object keys
keys          Object keys from file names, reversible and injective
manifests     Contents of a manifest: a source and its objects
members       Archive members and the keys of their objects
notices       Events that others are told of, as CloudEvents
object_keys   Keys of objects: mirrored from paths, or by template
retry         Decide if and when to retry after a failure
selection     Select files by patterns of their paths
status        Statuses of files, and orders that operators give
tables        Values about tables and their data files
timeline      Times of one file's way, from sight to manifest
uploads       Uploads: parts, digests, and the state that resuming needs
"""
