"""Sources of rows: published data sets, built-in and synthetic ones, and the user's own tables."""
