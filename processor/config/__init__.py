"""Settings from the environment and `.env`.

This module imports nothing: whoever needs only `environment` is not to wait for pydantic.

choices      Closed sets that settings choose from
environment  Read the environment and `.env`; find the ledger by them
load         Load the settings; report every mistake at once
settings     Every setting, validated together
values       Kinds of values that settings take, each with its check
"""
