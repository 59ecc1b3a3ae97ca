"""A page for eyes: `processor dashboard`, a process of its own that only reads.

server    HTTP: who may ask, what is answered, and the one change there is (retry, through the daemon)
pages     what each page shows: values into templates, everything escaped
records   questions to the ledger            chart    bars of a throughput, as plain numbers
"""
