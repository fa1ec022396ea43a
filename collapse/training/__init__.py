"""From raw rows to a checkpoint."""
