"""Run heavy work in processes of our own.

pool        Pool of confined worker processes
seam        Interface of an engine: submit a function, get a future
semaphores  Name the pool's semaphores, so that leftovers can be removed
"""
