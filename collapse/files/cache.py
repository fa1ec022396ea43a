"""The folder for data that can be made or fetched again."""

import os
from pathlib import Path

import platformdirs

CACHE_VARIABLE = "COLLAPSE_CACHE"
"""Environment variable that names another folder."""


def cache_folder() -> Path:
    """Return the folder, which may not exist yet."""
    return Path(os.environ.get(CACHE_VARIABLE) or platformdirs.user_cache_path("embedding-collapse"))
