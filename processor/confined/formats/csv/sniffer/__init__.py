"""Detect the dialect.

candidates  Candidate dialects for a text
detect      Choose the dialect by reading a large piece each way
score       Score a reading: regular rows, text covered, plausible cells
whole_records  Cut samples between records, never inside a quoted cell
"""
