"""Addresses of files on other machines, which a `Path` would shorten to one slash."""

import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


@dataclass(frozen=True)
class Url:
    """Address of a file or folder, such as ``s3://bucket/model.pt``.

    It has the attributes of a `Path` that name a file.
    """

    text: str
    """The address."""

    def __str__(self) -> str:
        return self.text

    def __fspath__(self) -> str:
        return self.text

    @property
    def name(self) -> str:
        """Last part of the address."""
        return PurePosixPath(self.text.partition("?")[0]).name

    @property
    def stem(self) -> str:
        """Last part of the address, without its ending."""
        return PurePosixPath(self.name).stem

    @property
    def parent(self) -> Path:
        """Folder for what is made of the file: the current one."""
        return Path()

    def resolve(self) -> "Url":
        """Return the address."""
        return self


def is_url(text: object) -> bool:
    """Return whether a text begins like a URL."""
    return isinstance(text, str) and _URL.match(text) is not None


def path_or_url(source: str | os.PathLike[str]) -> Path | Url:
    """Return a `Url` for the text of a URL, and a `Path` for any other text or path."""
    if isinstance(source, Url):
        return source
    return Url(source) if isinstance(source, str) and is_url(source) else Path(source)
