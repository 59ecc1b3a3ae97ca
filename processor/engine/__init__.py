"""Run heavy work in processes of our own.

pool       Pool of confined worker processes
processes  Worker processes, as the daemon sees them
replies    Check a worker's answer by its type
seam       Interface of an engine: submit a function, get a future
"""
