"""Fixed-width text.

convert  Convert fixed-width text to Parquet
"""
