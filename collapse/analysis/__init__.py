"""From a checkpoint to tidy results."""
