"""The ledger: one SQLite file that remembers every file's progress.

checkpoints   Record a job's progress: content, uploads, parts, objects
chosen        Choose files by path, status, reason, feed and time
database      Open the ledger: lock, pragmas, schema, integrity check
feeds         Record by which declarations files were read
intake        Record files that arrive and jobs that start
keys          Owners of keys: two sources never write one object
outbox        Record events that wait for their receiver
outcomes      Record how jobs end: completed, retried or failed
reader        Read-only queries on the ledger
records       Values that the ledger takes and returns
summary       Figures of the ledger for `status`, by queries alone
tables        Record which objects are data files of which tables
transactions  The writing connection and its transactions
writer        All changes of the ledger, used by Progress alone
"""
