"""Readers for our checkpoints, state dicts, files of arrays, folders, and objects in memory."""
