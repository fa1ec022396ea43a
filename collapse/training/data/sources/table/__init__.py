"""The user's own tables."""
