"""The versions that a result was made with."""

import platform
from importlib import metadata


def versions() -> dict[str, str]:
    """Return the versions of Python, this package and the libraries that numbers depend on.

    Returns
    -------
    dict of str to str
        Name to version.
    """
    packages = ("embedding-collapse", "torch", "numpy")
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in packages}}
