"""Files that are opened with one clear sentence where they cannot be, and written whole or not at all."""
