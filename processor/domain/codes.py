"""Codes of all failures that a daemon may meet.

Each of them has a counter from the start, with 0: an alert asks for an increase, and what is born with 1 has none.
"""

_FAMILIES = {
    "archive": "ambiguous bad-members compression corrupt directory encrypted member-too-large multi-volume"
    " overlapping-entries pax-header sparse tar-header tar-type too-deep too-large trailing-bytes truncated unreadable"
    " zip-directory",
    "cluster": "given-up no-workers not-ready unreachable version worker-lost",
    "conversion": "memory",
    "csv": "comments empty encoding header line-too-long malformed-rows not-one-table nul quotes too-wide unaccounted"
    " unterminated-quote",
    "feed": "empty-file extra-column header missing-column not-honoured other-content records row surprise",
    "json": "empty encoding row-too-large syntax unaccounted unreadable",
    "key": "taken",
    "ledger": "silent",
    "manifest": "damaged",
    "source": "changed forbidden no-root not-a-file open unreadable vanished",
    "store": "aws-config aws-profile body-limit ca-bundle certificate certificate-expired clock conflict"
    " credential-process credentials credentials-expired damaged denied embedded-failed embedded-missing"
    " embedded-unknown encryption endpoint exists full internal key-refused mismatch no-bucket no-credentials no-etag"
    " no-object not-stored not-tls part-gone proxy redirected refused region slow sso storage-class tags throttled"
    " too-large unavailable unexpected unreachable upload-gone",
    "stream": "broken too-long",
    "table": "changed footer receipt",
    "transfer": "incomplete",
    "worker": "bug cpu-time crashed died memory silent unconfined",
    "xml": "changed encoding entity not-well-formed row-too-large tag-too-large too-deep too-many-names unaccounted",
}
CODES = tuple(f"{family}.{name}" for family, names in _FAMILIES.items() for name in names.split())
