"""Analyses of checkpoints, whose results are tidy tables."""
