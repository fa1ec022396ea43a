"""Drawing: one Display a figure."""
