"""Deliver files from Linux to S3 as verified data.

Nobody imports upward (setup.cfg holds it). From the ground up: `domain`; `trees`; `config`, `logs`, `streams`;
`sandbox`; `engine`, `feeds`, `ledger`, `store`; `confined`, `watch`; `delivery`; `remote`; `actors`; `daemon`;
`commands`; `dashboard`; `cli`.

actors/      Actors: who sends which message to whom
cli/         The command line
commands/    The commands: their work, without arguments and exit codes
config/      Settings from the environment and `.env`
confined/    Code that a stranger's bytes touch; runs in confined workers
daemon/      The daemon: start, run, observe and stop all parts
dashboard/   A read-only web page, in a process of its own
delivery/    Deliver files: hash, upload, verify, manifest, put away
domain/      Words and decisions: plain values and pure functions
engine/      Run heavy work in processes of our own
feeds/       The file of feeds: read and checked as a whole
ledger/      The ledger: one SQLite file that remembers every file's progress
remote/      Convert and unpack on the hosts of a Dask cluster
sandbox/     Start and confine workers
store/       S3-compatible storage, and everything known about it
streams/     Bytes in motion: sources and frames on pipes
tables/      Delivered Parquet becomes Iceberg tables
trees/       Change directories that strangers may write to, by descriptor only
watch/       Notice files, wait until they are whole, hand them over
logs         Structured logs on stdout: JSON, or pretty for people
"""
