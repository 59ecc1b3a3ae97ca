"""The commands: their work, without arguments and exit codes.

convert           `processor convert`: one data file to one Parquet file
directories       Check the directories that the settings name
extract           `processor extract`: unpack one archive into a directory
feeds             `processor feed`: list, check and infer
humanize          Format sizes, durations and times for people
ledger            Ledger commands: `status`, `why`, `retry`, `reprocess`
local_worker      A confined worker for the time of one command
output_directory  Write objects as files below a directory, under their keys
plan              `processor plan`: show what would be done; upload nothing
prune             `processor prune`: remove objects that no manifest names
render            Render `status` and `why` on a terminal
schema            `processor schema`: the columns of what was delivered
store             Store commands: `check`, `ls`, `verify`, `rebuild`
tables            Table commands: `tables`, `verify --tables`
unnamed           Find objects that no manifest names
"""
