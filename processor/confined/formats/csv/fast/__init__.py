"""Faster ways to convert large texts; they are optional.

concurrent_check  Convert a large file while another thread checks it
inline_check      Check a large text while it passes on to DuckDB
speculative       Convert in one pass, trusting the beginning; check the rest
"""
