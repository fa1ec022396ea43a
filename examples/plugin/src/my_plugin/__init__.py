"""A model and a measure for embedding-collapse."""
