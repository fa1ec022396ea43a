"""The paper as data: its figures, tables and claims, the runs that they are made of, and what it printed."""
