"""Text rows from delimited, compressed and Parquet files."""
