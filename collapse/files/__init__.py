"""Reading regular files with clear errors, and writing files that are never left half-written."""
