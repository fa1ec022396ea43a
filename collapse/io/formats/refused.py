"""Formats that are recognised but not read, each with one way to get at its tables."""

import re

from collapse.io.formats.sample import (
    Condition,
    Format,
    Sample,
    both,
    ends,
    holds,
    is_zip,
    starts,
)

_SAVEZ = 'np.savez("tables.npz", NAME=ARRAY)'
_UNPACK = "unpack it, and pass the file in it"


def _is_word2vec(sample: Sample) -> bool:
    return bool(re.fullmatch(rb"[0-9]+ [0-9]+\s*", sample.head.partition(b"\n")[0]))


def _is_vectors(sample: Sample) -> bool:
    """Return whether two lines have a word and the same number of numbers."""
    rows = [line.split() for line in sample.lines[:2]]
    return len(rows) == 2 and len(rows[0]) == len(rows[1]) > 3 and all(map(_is_vector, rows))


def _is_vector(cells: list[bytes]) -> bool:
    try:
        list(map(float, cells[1:]))
    except ValueError:
        return False
    return True


def _is_delimited(sample: Sample) -> bool:
    first = sample.lines[:2]
    return any(
        len(first) == 2 and first[0].count(mark) == first[1].count(mark) > 0 for mark in (b",", b"\t", b";", b"|")
    )


def _is_text(sample: Sample) -> bool:
    return bool(sample.lines) and all(byte >= 32 or byte in b"\t\r\n\f" for byte in sample.head)


def _is_html(sample: Sample) -> bool:
    return sample.head.lstrip()[:14].lower().startswith((b"<!doctype html", b"<html"))


def _word_vectors(load: str) -> str:
    return f'load the vectors, for example with {load}, and np.save("table.npy", VECTORS)'


def _refused(name: str, matches: Condition, way: str) -> Format:
    return Format(name=name, matches=matches, way=way)


REFUSED = (
    _refused("a zip archive without torch data", both(is_zip, lambda sample: bool(sample.names)), _UNPACK),
    _refused("a TensorFlow Lite model", starts(b"TFL3", at=4), f"read it with tf.lite.Interpreter, and {_SAVEZ}"),
    _refused("an ORC file", starts(b"ORC"), "read it with pandas.read_orc, and np.save the vectors"),
    _refused("an Avro file", starts(b"Obj\x01"), "convert its vectors to a .npy file"),
    _refused(
        "a faiss index",
        starts(b"IxF", b"Ix2", b"IxP", b"IxS", b"IxM", b"IwF", b"IwP", b"IwS", b"IHN"),
        _word_vectors("index.reconstruct_n(0, index.ntotal)"),
    ),
    _refused("a GGUF model", starts(b"GGUF"), f"read it with gguf.GGUFReader, and {_SAVEZ}"),
    _refused("a MATLAB file", starts(b"MATLAB 5.0"), f"read it with scipy.io.loadmat, and {_SAVEZ}"),
    _refused("a SQLite database", starts(b"SQLite format 3\0"), f"select the vectors, and {_SAVEZ}"),
    _refused("a Flax file", ends(".msgpack"), f"restore it with flax.serialization.msgpack_restore, and {_SAVEZ}"),
    _refused("a gzip-compressed file", starts(b"\x1f\x8b"), "unpack it with gunzip"),
    _refused("a bzip2-compressed file", starts(b"BZh"), "unpack it with bunzip2"),
    _refused("an xz-compressed file", starts(b"\xfd7zXZ\0"), "unpack it with unxz"),
    _refused("a zstd-compressed file", starts(b"\x28\xb5\x2f\xfd"), "unpack it with unzstd"),
    _refused("a 7z archive", starts(b"7z\xbc\xaf\x27\x1c"), _UNPACK),
    _refused("a tar archive", starts(b"ustar", at=257), _UNPACK),
    _refused("a Git LFS pointer", starts(b"version https://git-lfs"), "fetch the file itself with git lfs pull"),
    _refused(
        "an HTML page", _is_html, "download the file again; the server may have sent an error or a login page"
    ),
    _refused("a LightGBM model", starts(b"tree\nversion="), "it has no embedding tables"),
    _refused(
        "a JSON file",
        lambda sample: sample.head.lstrip()[:1] in (b"{", b"[") and b"\0" not in sample.head,
        'pass the checkpoint; for lines with vectors, np.save("table.npy", np.stack(pandas.read_json(FILE, '
        "lines=True)[COLUMN]))",
    ),
    _refused("a text file", _is_text, "pass a checkpoint"),
    _refused("an Orbax checkpoint", holds("_METADATA"), f"read it with orbax.checkpoint, and {_SAVEZ}"),
    _refused("a Zarr group or array", holds(r"\.z(group|array)"), f"read it with zarr.open, and {_SAVEZ}"),
    _refused(
        "a Lance data set",
        holds("_versions", "data"),
        f"read it with lance.dataset(FILE).to_table(), and {_SAVEZ}",
    ),
)
"""Formats that are recognised and not read, the more specific ones first."""
