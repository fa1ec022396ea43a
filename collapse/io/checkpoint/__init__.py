"""The project's own checkpoint: what it holds, how it is written and read, and what is checked."""
