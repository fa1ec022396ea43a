"""Rows out of files, as text: delimited, compressed, Parquet."""
