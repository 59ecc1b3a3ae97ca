"""XML.

fast/       Read regular rows in bulk; can be switched off
accounting  Count rows where the text is read, by other means
convert     Convert XML to Parquet: the repeated element is the row
decode      XML bytes as UTF-8 with line feeds, from any encoding
feed        Feed a document's rows to DuckDB as JSON Lines
namespaces  Names of elements and attributes, with namespaces where needed
parser      Strict XML parsing by expat, one small tree a row
records     Elements to JSON values: fields and their values
row_path    Find the rows by structure, not by count
scan        Read a whole document: rows in bulk, the rest parsed
schema      Attributes and children that elements of one path share
survey      Survey a document: row layout, shapes, text around the rows
table       The table of a surveyed document: columns, rows as JSON
"""
