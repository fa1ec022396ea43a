"""A file or folder behind a URL, which fsspec reads."""

import hashlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tqdm import tqdm

from collapse.errors import CollapseError, first_line
from collapse.extras import EXTRAS, require
from collapse.files.cache import cache_folder
from collapse.files.opening import explain_os_errors
from collapse.files.urls import Url

_PACKAGES = {
    "s3": "s3fs",
    "s3a": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "hf": "huggingface_hub",
    "http": "aiohttp",
}
"""Packages that fsspec needs for a protocol."""
_VERSIONS = (
    "ETag",
    "etag",
    "md5Hash",
    "VersionId",
    "LastModified",
    "last_modified",
    "mtime",
    "updated",
    "created",
    "xet_hash",
)
"""Entries of fsspec's description of a file that change with its content."""


@dataclass(frozen=True)
class RemotePlace:
    """A file or folder on another machine."""

    url: Url
    """Its address."""
    files: Any
    """The file system of fsspec."""
    path: str
    """The path in it."""

    @classmethod
    def at(cls, url: Url) -> "RemotePlace":
        """Return the place at an address.

        Raises
        ------
        CollapseError
            If fsspec, or its package for the protocol, is not installed, or the protocol is unknown.
        """
        protocol = url.text.partition("://")[0].lower()
        package = _PACKAGES.get(protocol.removesuffix("s") if protocol == "https" else protocol)
        if package is not None and find_spec(package) is None:
            raise CollapseError(
                f"{url} needs {package}, which is not installed: pip install "
                f"'embedding-collapse[{EXTRAS[package]}]'"
            )
        require("fsspec", f"{url}, a URL,")
        import fsspec

        if protocol not in fsspec.available_protocols():
            raise CollapseError(f"{url} has the unknown protocol {protocol}://")
        with reading(url):
            files, path = fsspec.core.url_to_fs(url.text)
        return cls(url, files, path)

    def inside(self, name: str) -> "RemotePlace":
        """Return a place in this folder."""
        return RemotePlace(self.url, self.files, f"{self.path.rstrip('/')}/{name}")

    def is_dir(self) -> bool:
        """Return whether it is a folder."""
        with reading(self.url):
            return bool(self.files.isdir(self.path))

    def exists(self) -> bool:
        """Return whether there is a file or folder."""
        with reading(self.url):
            return bool(self.files.exists(self.path))

    def names(self) -> list[str]:
        """Return the names in the folder."""
        with reading(self.url):
            return [str(path).rstrip("/").rpartition("/")[2] for path in self.files.ls(self.path, detail=False)]

    def size(self) -> int:
        """Return the bytes of the file."""
        with reading(self.url):
            return int(self.files.size(self.path))

    def has_ranges(self) -> bool:
        """Return whether parts of the file can be read. A web server says so."""
        with reading(self.url):
            described = self.files.info(self.path)
        return bool(described.get("partial", not self.url.text.lower().startswith("http")))

    def read(self, first: int, last: int) -> bytes:
        """Return a part of the file.

        Raises
        ------
        CollapseError
            If it cannot be read, or is shorter.
        """
        with reading(self.url):
            content: bytes = self.files.cat_file(self.path, start=first, end=last)
        if len(content) != last - first:
            raise CollapseError(f"{self.url} ended at byte {first + len(content):,} instead of {last:,}")
        return content

    def copied_folder(self) -> Path:
        """Return a copy of the folder in the cache, made anew.

        Raises
        ------
        CollapseError
            If a file cannot be read, or a copy not written.
        """
        key = hashlib.sha256(self.url.text.encode()).hexdigest()[:32]
        folder = cache_folder() / "urls" / key / (re.sub(r"[^\w.-]", "_", self.url.name) or "folder")
        with explain_os_errors("write", folder):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        with reading(self.url):
            self.files.get(f"{self.path.rstrip('/')}/", f"{folder}/", recursive=True)
        return folder

    def copied(self) -> Path:
        """Return a copy of the file in the cache. It is reused while the server says that the file is the same.

        Raises
        ------
        CollapseError
            If the file cannot be read, or the copy not written.
        """
        with reading(self.url):
            described = self.files.info(self.path)
        version = [str(described[key]) for key in _VERSIONS if described.get(key)]
        key = hashlib.sha256("\n".join([self.url.text, self.path, str(described.get("size")), *version]).encode())
        folder = cache_folder() / "urls" / key.hexdigest()[:32]
        copy = folder / (re.sub(r"[^\w.-]", "_", self.path.rpartition("/")[2]) or "file")
        if copy.exists() and version:
            return copy
        with explain_os_errors("write", copy):
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=folder, suffix=".partial", delete=False) as file:
                partial = Path(file.name)
                try:
                    with (
                        reading(self.url),
                        self.files.open(self.path, "rb") as content,
                        tqdm.wrapattr(
                            content, "read", described.get("size"), desc=copy.name, disable=None
                        ) as watched,
                    ):
                        shutil.copyfileobj(watched, file, 1 << 22)
                except BaseException:
                    partial.unlink()
                    raise
            partial.replace(copy)
        return copy


@contextmanager
def reading(url: Url) -> Iterator[None]:
    """Turn any exception of a file system into a message that names the URL.

    Raises
    ------
    CollapseError
        Instead of any other exception in the block.
    """
    try:
        yield
    except CollapseError:
        raise
    except FileNotFoundError as error:
        raise CollapseError(f"cannot read {url}: no such file") from error
    except Exception as error:  # each file system raises its own
        raise CollapseError(f"cannot read {url}: {first_line(error) or type(error).__name__}") from error
