"""One run: its configuration, its loop, and the folder it lives in."""
