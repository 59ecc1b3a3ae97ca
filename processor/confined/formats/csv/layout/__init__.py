"""Find the table in a text, and its header.

annotations  Titles, notes, totals and remarks around a table
header       Decide if the first record is a header; name columns
header_row   Find the record where the table starts
table_area   Find the table in a text: width and extent
"""
