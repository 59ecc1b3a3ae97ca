"""Where heavy work runs: `submit(function, request) -> Future`, in processes of our own.

pool    pebble's process pool: a killed worker fails only its own task
"""
