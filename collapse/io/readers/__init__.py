"""Readers, one a form that tables come in: our checkpoints, state dicts, arrays, folders, objects in memory."""
