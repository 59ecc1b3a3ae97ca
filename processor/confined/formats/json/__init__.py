"""JSON and JSON Lines.

proof/         Prove that the written values equal the text
bulk_splitter  Split a large array into lines, many at a time
convert        Convert JSON and JSON Lines to Parquet
documents      The rows of a JSON file, in any encoding
feed           Rows of JSON as a DuckDB relation of text
key_order      The usual order of the keys of objects
numbers        Types that hold the value of a JSON number
parser         Strict JSON reader and writer that keeps numbers as written
plan           Choose a Parquet type for each place in the documents
rewrite        Rewrite rows so that DuckDB reads exactly the planned values
schema         Everything seen at each place of the documents
splitter       Find the bounds of documents with bounded memory
table          Convert one JSON file: propose, prove, learn, repeat
write          Write JSON rows as Parquet in the cheapest sure way
declared       Rows of JSON as texts of declared columns
"""
