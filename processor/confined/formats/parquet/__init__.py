"""Write Parquet.

column_batches  Write a table in column batches that fit in memory
copy            One COPY into Parquet: options, metadata, statistics
full_scan       Find every column's type in one pass over the table
in_memory       Write a table that lies in memory, already classified
nested          Types for texts within lists and structures
receipt         The receipt of a written table, counted from its Parquet
thrift          Thrift's compact protocol, as far as Parquet footers need it
wide            Write a very wide table in stripes of columns
write           Write a text table: propose types, check values, demote, repeat
declared        Write a text table with exactly the declared columns
"""
