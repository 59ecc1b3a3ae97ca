"""What the commands do; `cli` only parses their arguments and prints.

local      a confined worker for one command: convert, extract, plan
convert    one data file to Parquet on disk          extract    one archive to a directory
plan       what would be done with a file            check      what is on, what is missing
ledger     commands that read or change the ledger   deliveries stored objects against manifests
show       how they look on a terminal               units      sizes, spans, moments and strangers' names for eyes
"""
