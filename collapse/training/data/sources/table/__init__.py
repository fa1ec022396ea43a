"""A table of the user's own."""
