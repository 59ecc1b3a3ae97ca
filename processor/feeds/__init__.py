"""The file of feeds: read and checked as a whole.

archives  Options for opening archives, by the settings
infer     Infer a feed from its files; comments say why
lattice   Join the types of many files by a fixed lattice
lines     Lines of a TOML file by table and key, for error messages
load      Read the file of feeds; report every mistake at once
model     Everything a file of feeds may say, as pydantic models
patterns  Patterns of gitignore, compiled by pathspec
schema    JSON Schema of the file, for editors
"""
