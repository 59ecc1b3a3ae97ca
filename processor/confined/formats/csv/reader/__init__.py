"""Read records from delimited text.

batches      Read regular rows many at a time
line_buffer  A sliding buffer of text in which lines are found
padding      Leave out padding at the end; refuse NULs elsewhere
ragged       Read rows of several widths many at a time
records      Read records exactly: every byte has a place
recover      Read rows of another width by the evidence they carry
survey       Statistics of one pass over all records
swallowed    Tell cells that swallow rows
uniformity   Prove that all rows have one structure, for DuckDB's reader
"""
