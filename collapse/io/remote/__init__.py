"""Checkpoints behind URLs: read in parts where the format allows it, and otherwise copied into a cache."""
