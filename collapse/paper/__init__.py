"""The paper as data: its figures, tables and claims, their runs, and its printed values."""
