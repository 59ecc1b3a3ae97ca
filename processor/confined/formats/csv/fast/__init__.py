"""Faster ways to convert large texts; each can be switched off.

concurrent_check  Convert a large file while another thread checks it
inline_check      Check a large text while it passes on to DuckDB
speculative       Convert in one pass, assuming the rest looks like the beginning
"""
