"""The commands: their work, without arguments and exit codes.

convert           `processor convert`: one data file to one Parquet file
directories       Check the directories that the settings name
extract           `processor extract`: unpack one archive into a directory
feeds             `processor feed`: list, check and infer
humanize          Format sizes, durations and times for people
ledger            Ledger commands: `why`, `retry`, `reprocess`, and `status` with feeds
local_worker      A confined worker for the time of one command
output_directory  Write objects as files below a directory, under their keys
paths             Files that an operator means by a path
plan              `processor plan`: show what would be done; upload nothing
progress          Progress of a long command, on a terminal only
prune             `processor prune`: remove objects that no manifest names
schema            `processor schema`: the columns of what was delivered
status            `processor status`: where everything stands
store             Store commands: `check`, `ls`, `verify`, `rebuild`
tables            Table commands: `tables`, `verify --tables`
unnamed           Find objects that no manifest names
when              Points in time as operators write them
"""
