"""Words and decisions: plain values and pure functions. No I/O, no third party.

files       what lies in the watched directory, and its type
keys        where an object goes; injective
jobs        one file's way through the system and the routing slip
conversion  how a data file is to be converted, and the receipt
errors      failures as values, with their class and a hint
retry       what to do about a failure
"""
