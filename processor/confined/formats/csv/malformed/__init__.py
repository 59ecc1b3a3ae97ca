"""Rows that do not have the table's width.

collect      Collect malformed rows: how many, where, and their text
output_rows  Rows as they are written: regular, fitted, or rejected
pad          Pad rows to the table's width, many at a time
"""
