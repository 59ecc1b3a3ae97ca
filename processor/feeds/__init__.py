"""The file of feeds: read, checked as a whole, inferred from files.

lines     Lines of a TOML file by table and key, for error messages
load      Read the file of feeds; report every mistake at once
model     Everything a file of feeds may say, as pydantic models
patterns  Patterns of gitignore, compiled by pathspec
schema    JSON Schema of the file, for editors
"""
