"""The command line.

feeds    `processor feed`: arguments in, text out
main     Command line: arguments in, text and exit codes out
runtime  Settings, error reporting and exit codes for every command
tables   `processor tables`: arguments in, text out
"""
