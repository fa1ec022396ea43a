"""Opening data sets by name or by folder."""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout
from tqdm import tqdm

from collapse.errors import CollapseError
from collapse.files.cache import CACHE_VARIABLE, cache_folder
from collapse.files.json_file import read_json
from collapse.files.opening import explain_os_errors
from collapse.training.data.sources.synthetic.settings import SyntheticSettings, parse_synthetic
from collapse.training.data.store.schema import FORMAT_VERSION, MANIFEST, SCHEMA, Schema

if TYPE_CHECKING:
    from collapse.training.data.store.prepared import PreparedData

# Preparing data needs polars, which an installation for analyses lacks, so it is imported where data is opened.

_OF_TEACHER = "{} fields with a known teacher; the published shape times a scale above 0 and at most 1"

LARGE = 1_000_000_000
"""Size in bytes above which preparing a built-in data set is announced first."""
WAIT_QUIETLY_SECONDS, WAIT_SECONDS = 2.0, 1800.0
"""How long to wait for another process that prepares the same data set: before this is announced, and at most."""
_HASHES: dict[tuple[str, str | None], tuple[Path, tuple[int, int] | None, str]] = {}
"""For each name and cache: a data set's folder, its manifest's time and size when it was read, and the hash."""


def load_data(name_or_path: str | Path) -> "PreparedData":
    """Open a built-in data set or a prepared folder.

    Parameters
    ----------
    name_or_path : str or Path
        ``"flights"``, or a fraction of it such as ``"flights:0.1"``; ``"synthetic-criteo"`` or
        ``"synthetic-avazu"``, optionally with a scale such as ``":0.01"``; or the folder of a prepared data set.
        Write ``"./flights"`` for a folder of that name.

    Returns
    -------
    PreparedData
        The data set. A built-in one is prepared on first use and kept in the folder of the environment variable
        ``COLLAPSE_CACHE``, or in the user's cache folder.

    Raises
    ------
    CollapseError
        If the data set does not exist or is damaged.
    """
    if (built_in := _built_in(str(name_or_path))) is not None:
        return _cached(built_in)
    if not Path(name_or_path).is_dir():
        raise CollapseError(
            f"{str(name_or_path)!r} is neither a built-in data set ({', '.join(BUILT_IN)}) nor the folder of a "
            "prepared one: see `collapse prepare --help`"
        )
    from collapse.training.data.store.prepared import open_prepared

    return open_prepared(Path(name_or_path))


def is_prepared(name_or_path: str | Path) -> bool:
    """Return whether a data set can be opened without preparing it first.

    Raises
    ------
    CollapseError
        If the name of a built-in data set has a fraction or scale that is out of range.
    """
    built_in = _built_in(str(name_or_path))
    return Path(name_or_path).is_dir() if built_in is None else _cache_path(built_in).exists()


def data_hash(name_or_path: str | Path) -> str:
    """Return the hash of a data set. The set is opened once, and again if its manifest has changed.

    Returns
    -------
    str
        The SHA-256 of vocabulary, ids and labels, in hexadecimal.

    Raises
    ------
    CollapseError
        If the data set cannot be opened.
    """
    key = str(name_or_path), os.environ.get(CACHE_VARIABLE)
    if key not in _HASHES or _HASHES[key][1] != _stamp(_HASHES[key][0]):
        data = load_data(name_or_path)
        _HASHES[key] = data.path, _stamp(data.path), data.data_hash
    return _HASHES[key][2]


def _stamp(folder: Path) -> tuple[int, int] | None:
    with suppress(OSError):
        stat = (folder / MANIFEST).stat()
        return stat.st_mtime_ns, stat.st_size
    return None


def data_name(name_or_path: str | Path) -> str:
    """Return the name of a data set without opening it.

    Returns
    -------
    str
        The name that a prepared folder records; otherwise, or if the folder is damaged, the argument.
    """
    given = str(name_or_path)
    schema = Path(given) / SCHEMA
    if given.partition(":")[0] == "flights" or given.startswith("synthetic-") or not schema.is_file():
        return given
    try:
        return Schema.from_json(read_json(schema), source=schema).name
    except CollapseError:
        return given


@dataclass(frozen=True, kw_only=True)
class _BuiltIn:
    """A data set that is prepared on first use."""

    name: str
    content: str
    """Everything that its rows depend on."""
    prepare: Callable[[Path], object]
    size: int = 0
    """Size in bytes, if it may be large."""


def _built_in(name_or_path: str) -> _BuiltIn | None:
    """Return a built-in data set; None for a folder."""
    name, _, fraction = name_or_path.partition(":")
    if name == "flights":
        return _flights(fraction)
    settings = parse_synthetic(name_or_path)
    return None if settings is None else _synthetic(settings)


def _flights(text: str) -> _BuiltIn:
    from collapse.training.data.sources import flights

    try:
        fraction = float(text or 1)
    except ValueError:
        raise CollapseError(
            f"'flights:{text}' is not a fraction of the flights: write for example flights:0.1"
        ) from None
    if not 0 < fraction <= 1:
        raise CollapseError(f"the fraction in 'flights:{text}' must be greater than 0 and at most 1")
    made_of = [flights.FIELDS, flights.MIN_COUNT, [source.sha256 for source in flights.sources()]]
    if fraction == 1:
        return _BuiltIn(name="flights", content=json.dumps(made_of), prepare=flights.prepare_flights)
    prepare = partial(flights.prepare_flights, fraction=fraction)
    return _BuiltIn(name=f"flights-{fraction:g}", content=json.dumps([*made_of, fraction]), prepare=prepare)


def _synthetic(settings: SyntheticSettings) -> _BuiltIn:
    def prepare(path: Path) -> object:
        from collapse.training.data.sources.synthetic.teacher import prepare_synthetic

        return prepare_synthetic(settings, path)

    return _BuiltIn(
        name=settings.name.replace(":", "-"),
        content=json.dumps(asdict(settings)),
        prepare=prepare,
        size=settings.bytes_on_disk,
    )


def _cache_path(built_in: _BuiltIn) -> Path:
    digest = hashlib.sha256(built_in.content.encode()).hexdigest()
    return cache_folder() / f"{built_in.name}-{FORMAT_VERSION}-{digest[:12]}"


def _cached(built_in: _BuiltIn) -> "PreparedData":
    """Open a data set in the cache, and prepare it first if needed. A large one is announced."""
    from collapse.training.data.store.prepared import open_prepared

    path, name, size = _cache_path(built_in), built_in.name, built_in.size
    cache = path.parent
    if path.exists():
        return open_prepared(path)
    with explain_os_errors("write", path):
        cache.mkdir(parents=True, exist_ok=True)
        # If two processes ask at once, one prepares the data and the other waits.
        with _locked(cache / f".{path.name}.lock", name):
            if not path.exists():
                if size > LARGE:
                    free = shutil.disk_usage(cache).free
                    where = f"{path} ({size / 1e9:.1f} GB; set {CACHE_VARIABLE} to use another place)"
                    if size > free:
                        raise CollapseError(f"cannot write {where}: only {free / 1e9:.1f} GB are free")
                    tqdm.write(f"drawing {name} into {where}", file=sys.stderr)
                built_in.prepare(path)
    return open_prepared(path)


@contextmanager
def _locked(path: Path, name: str) -> Iterator[None]:
    lock = FileLock(path)
    try:
        try:
            lock.acquire(timeout=WAIT_QUIETLY_SECONDS)
        except Timeout:
            tqdm.write(f"another process is preparing {name}: waiting for it ({path})", file=sys.stderr)
            lock.acquire(timeout=WAIT_SECONDS)
    except Timeout as error:
        raise CollapseError(
            f"another process has been preparing {name} for {WAIT_SECONDS / 60:.0f} minutes: stop it, or set "
            f"{CACHE_VARIABLE} to another place"
        ) from error
    except NotImplementedError as error:
        raise CollapseError(
            f"{path.parent} cannot be locked ({error}): set {CACHE_VARIABLE} to another place"
        ) from error
    try:
        yield
    finally:
        lock.release()


BUILT_IN = {
    "flights": "327,346 flights from New York in 2013, 31 fields; the label is an arrival more than 15 minutes "
    "late",
    "flights:0.1": "a fraction of the flights, above 0 and at most 1",
    "synthetic-criteo:0.01": _OF_TEACHER.format(39),
    "synthetic-avazu:0.01": _OF_TEACHER.format(22),
}
"""Data sets that need no file, each with a description. Synthetic sets can have any scale."""
