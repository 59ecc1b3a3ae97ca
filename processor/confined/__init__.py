"""Code that a stranger's bytes touch; runs in confined workers.

It imports `domain`, `streams` and its libraries, nothing else: no store, no ledger, no settings.

archives/   Unpack an archive as a stream, never to disk
formats/    Convert a data file to Parquet without changing a value
entrypoint  Worker entry points: turn one source into an object stream
"""
