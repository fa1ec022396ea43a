"""Formats of files and folders: recognised by their content before any reader runs."""
