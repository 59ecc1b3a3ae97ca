"""Prove that the written values equal the text.

pattern      A regular expression that proves a line valid and expected
roundtrip    Prove values by writing the rows again in SQL
unique_keys  SQL that finds duplicate keys in JSON text
"""
