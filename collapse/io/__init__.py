"""From a file to tables: checkpoints of ours, other libraries' files, and what both are read into."""
