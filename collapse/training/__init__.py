"""Preparing data, training models, and writing checkpoints."""
