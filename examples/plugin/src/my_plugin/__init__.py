"""A model, a measure, a figure and a reader for embedding-collapse."""
