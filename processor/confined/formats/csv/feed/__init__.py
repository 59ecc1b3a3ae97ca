"""Feed rows and texts to DuckDB.

canonical     Rows in a form that every CSV reader reads alike
encoded_rows  Feed rows of our own reader to DuckDB, fully quoted
multi_pipe    Feed one text through several pipes, for several threads
"""
