"""The ledger: one SQLite file that remembers how far every file has come.

database   opening it: the lock, the pragmas, the schema, the check
writer     every change; used by the one actor that owns the ledger
reader     questions, over a read-only connection; for everybody
"""
