"""Drawing figures, one Display class per kind."""
