"""Find the table in a text, and its header.

annotations      Titles, notes, totals and remarks around a table
doubts           Say what does not fit, and what would accept it
header           Name the columns; decide on a doubtful header by votes
header_evidence  Decide by evidence if the first record is a header
header_row       Find the record where the table starts
one_table        Read a text as one table and nothing else
strangers        Find records of the table's width that are no rows
summaries        Find totals of the table's width, which are no rows
table_area       Find the table in a text: width, first and last line
"""
