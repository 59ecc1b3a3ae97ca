"""CSV and TSV.

fast/          Faster ways to convert large texts; they are optional
feed/          Feed rows and texts to DuckDB
layout/        Find the table in a text, and its header
malformed/     Rows that do not have the table's width
reader/        Read records from delimited text
sniffer/       Detect the dialect
accounting     Give every record one owner, and check the sum
analyse        Decide how a delimited text is to be read
analysis       The decisions about one delimited text, as values
cell_patterns  Classes of cells, and their plausibility in a table
convert        Convert CSV and TSV to Parquet
declared       Read a text as its feed declares it
declared_text  Take out the lines that a feed declares to be no rows
encoding       Decide a text's encoding over all bytes; yield UTF-8
grammar        Regular expressions for the records and fields of a dialect
readings       Readings of a table: by DuckDB, our reader, from memory
report         Facts and refusals about an analysed table
strategies     Ways to read a CSV, each of which may decline
text           A delimited text: source, encoding, and what is declared
write          Write an analysed table; account for every record
"""
