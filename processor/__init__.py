"""Deliver files from a Linux host to S3-compatible storage as verified data.

The map, from the ground up; nobody imports upward (setup.cfg holds it):

    domain    words and decisions: files, jobs, keys, errors, retries. No I/O, no third party.
    config    the settings, validated.           logs     structured lines on stdout.
    streams   frames on a pipe, sources of bytes, the worker's sandbox.
    engine    the process pool.   store   S3.     ledger   SQLite.
    steps     checksum, detection, extraction, conversion, transfer: plain functions.
    watch     inotify and the scan.
    actors    who carries which message to whom.
    app       puts the parts together.            cli      the commands.
"""
