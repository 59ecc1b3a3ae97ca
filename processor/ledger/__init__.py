"""The ledger: one SQLite file that remembers how far every file has come.

database      opening it: the lock, the pragmas, the schema, the check
transactions  the writing connection
keys          whose is a key
arrivals      what arrives and goes on its way      reached   what a job has reached      ends   how it ends
writer        all changes together; used by the one actor that owns the ledger
reader        questions, over a read-only connection; for everybody
"""
