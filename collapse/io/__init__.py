"""Reading checkpoints, ours and other libraries', into embedding tables and field maps."""
