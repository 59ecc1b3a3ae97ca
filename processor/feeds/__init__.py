"""The file of feeds: read and checked as a whole.

lines     Lines of a TOML file by table and key, for error messages
load      Read the file of feeds; report every mistake at once
model     Everything a file of feeds may say, as pydantic models
patterns  Patterns of gitignore, compiled by pathspec
"""
