"""The command line.

completion  Completion of shells: scripts that ask `processor complete`
deliver     Commands that deliver: `run`, and the words of `make run`
feeds       `processor feed`: arguments in, text out
look        Commands that look: `why`, `ls`, `verify`, `schema`, `check`, `dashboard`
main        Command line: arguments in, text and exit codes out
manual      Make the man page from the parser: `python -m processor.cli.manual`
mend        Commands that mend: `retry`, `reprocess`, `prune`, `rebuild`
one_file    Commands without a store: `plan`, `convert`, `extract`
output      Show an answer: as text, or as one JSON document
parser      The parser of the command line, without any side effect
reference   Make docs/COMMANDS.md from the parser: `python -m processor.cli.reference`
runtime     Settings, error reporting and exit codes for every command
status      `processor status`: its text, and its picture that goes on
tables      `processor tables` and `verify --tables`
"""
