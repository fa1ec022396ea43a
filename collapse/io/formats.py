"""Formats of files and folders, recognised by their content before any reader runs."""

import re
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from collapse.errors import CollapseError
from collapse.files.opening import check_is_file, explain_os_errors, open_file
from collapse.io.torch_file.legacy import LEGACY
from collapse.printable import path_text

_HEAD = 4096
"""Bytes read from the start: enough for a line of a word vector file with a few hundred columns."""
_TAIL = 48
"""Bytes read from the end: the footer of a TensorFlow index."""
_SAVEZ = 'np.savez("tables.npz", NAME=ARRAY)'


@dataclass(frozen=True)
class Sample:
    """The parts of a file that show its format."""

    path: Path
    """The file."""
    head: bytes
    """Its first bytes."""
    tail: bytes
    """Its last bytes."""

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names in the archive, without its top folder; empty if the file is not a complete zip archive."""
        try:
            with open_file(self.path) as file, zipfile.ZipFile(file) as archive:
                return tuple(archive.namelist())
        except (
            zipfile.BadZipFile,
            struct.error,
            ValueError,
            LookupError,
            ArithmeticError,
            RuntimeError,
            EOFError,
            OSError,
        ):
            return ()

    @cached_property
    def lines(self) -> list[bytes]:
        """The first lines, if the start is text."""
        text = self.head if len(self.head) < _HEAD else self.head.rpartition(b"\n")[0]
        return [] if b"\0" in text else text.splitlines()


@dataclass(frozen=True)
class Format:
    """A format that is recognised."""

    name: str
    """What a file of it is called, with its article."""
    matches: Callable[[Sample], bool]
    """Whether a file has the format."""
    way: str = ""
    """What to do with a file that is not read."""


def _starts(*starts: bytes, at: int = 0) -> Callable[[Sample], bool]:
    return lambda sample: sample.head[at:].startswith(starts)


def _zipped(pattern: str) -> Callable[[Sample], bool]:
    found = re.compile(pattern)
    return lambda sample: any(found.search(name) for name in sample.names)


def _ends(*suffixes: str) -> Callable[[Sample], bool]:
    return lambda sample: sample.path.name.lower().endswith(suffixes)


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


def _both(*conditions: Callable[[Sample], bool]) -> Callable[[Sample], bool]:
    return lambda sample: all(condition(sample) for condition in conditions)


def _frame(read: str) -> str:
    return f'run np.save("table.npy", np.stack(pandas.{read}[COLUMN])) in Python'


def _quoted(path: Path) -> str:
    return f'"{path_text(path)}"'


def _word_vectors(load: str) -> str:
    return f'load the vectors, for example with {load}, and np.save("table.npy", VECTORS)'


_TENSORFLOW = f"read it with tf.train.load_checkpoint(PREFIX).get_tensor(NAME), and {_SAVEZ}"
_UNPACK = "unpack it, and pass the file in it"
_ZIP = _starts(b"PK\x03\x04")
_PICKLE = _starts(*(bytes([0x80, version]) for version in range(2, 6)))

READ = (
    Format("a torch file", _both(_ZIP, _zipped(r"(^|/)data\.pkl$"))),
    Format("an old torch file", _starts(LEGACY)),
    Format("a .npy file", _both(_starts(b"\x93NUMPY"), _ends(".npy"))),
    Format("an .npz file", _both(_ZIP, _zipped(r"\.npy$"), _ends(".npz"))),
    Format("a .safetensors file", _both(_starts(b"{", at=8), _ends(".safetensors"))),
)
"""Formats of files that are read. TorchScript files also have a data.pkl, so they are recognised first."""

NOT_READ = (
    Format(
        "a TorchScript model",
        _both(_ZIP, _zipped(r"(^|/)(constants\.pkl|code/)")),
        'run torch.save(torch.jit.load(FILE).state_dict(), "model.pt") in Python',
    ),
    Format(
        "a torch.export program",
        _both(_ZIP, _zipped(r"(serialized_exported_program\.json|archive_format|models/[^/]+\.json)$")),
        'run torch.save(torch.export.load(FILE).state_dict, "model.pt") in Python',
    ),
    Format(
        "a .keras model",
        _both(_ZIP, _zipped(r"(^|/)model\.weights\.h5$")),
        f"load it with Keras, and {_SAVEZ} with layer.get_weights()[0] of each embedding layer",
    ),
    Format("a NumPy archive", _both(_ZIP, _zipped(r"\.npy$")), "give its name the ending .npz"),
    Format("a NumPy array", _starts(b"\x93NUMPY"), "give its name the ending .npy"),
    Format("a safetensors file", _starts(b'{"', at=8), "give its name the ending .safetensors"),
    Format("a zip archive without torch data", _both(_ZIP, _zipped("")), _UNPACK),
    Format(
        "an HDF5 file, such as Keras weights", _starts(b"\x89HDF\r\n\x1a\n"), f"open it with h5py, and {_SAVEZ}"
    ),
    Format(
        "the index of a TensorFlow checkpoint",
        lambda sample: sample.tail.endswith(bytes.fromhex("57fb808b247547db")),
        _TENSORFLOW,
    ),
    Format(
        "a data file of a TensorFlow checkpoint",
        lambda sample: re.search(r"\.data-\d+-of-\d+$", sample.path.name) is not None,
        _TENSORFLOW,
    ),
    Format("a TensorFlow Lite model", _starts(b"TFL3", at=4), f"read it with tf.lite.Interpreter, and {_SAVEZ}"),
    Format(
        "an ONNX model", _both(_starts(b"\x08"), _ends(".onnx")), f"use onnx.numpy_helper.to_array, and {_SAVEZ}"
    ),
    Format(
        "a Paddle file",
        _both(_PICKLE, _ends(".pdparams", ".pdopt")),
        f"load it with paddle.load, and {_SAVEZ}",
    ),
    Format(
        "a gensim model",
        _both(_PICKLE, lambda sample: b"gensim" in sample.head[:200]),
        _word_vectors("gensim.models.KeyedVectors.load(FILE).vectors"),
    ),
    Format(
        "a pickle",
        _PICKLE,
        f"unpickling can run any code; if you trust the file, load it in Python and {_SAVEZ}",
    ),
    Format(
        "a Parquet file", _starts(b"PAR1"), 'np.save("table.npy", np.stack(pandas.read_parquet(FILE)[COLUMN]))'
    ),
    Format(
        "an Arrow or Feather file",
        _starts(b"ARROW1", b"FEA1"),
        _frame("read_feather(FILE)"),
    ),
    Format("an ORC file", _starts(b"ORC"), "read it with pandas.read_orc, and np.save the vectors"),
    Format("an Avro file", _starts(b"Obj\x01"), "convert its vectors to a .npy file"),
    Format(
        "a fastText model",
        _starts(bytes.fromhex("ba164f2f")),
        _word_vectors("fasttext.load_model(FILE).get_input_matrix()"),
    ),
    Format(
        "a faiss index",
        _starts(b"IxF", b"Ix2", b"IxP", b"IxS", b"IxM", b"IwF", b"IwP", b"IwS", b"IHN"),
        _word_vectors("index.reconstruct_n(0, index.ntotal)"),
    ),
    Format("a GGUF model", _starts(b"GGUF"), f"read it with gguf.GGUFReader, and {_SAVEZ}"),
    Format("a MATLAB file", _starts(b"MATLAB 5.0"), f"read it with scipy.io.loadmat, and {_SAVEZ}"),
    Format("a SQLite database", _starts(b"SQLite format 3\0"), f"select the vectors, and {_SAVEZ}"),
    Format("a Flax file", _ends(".msgpack"), f"restore it with flax.serialization.msgpack_restore, and {_SAVEZ}"),
    Format("a gzip-compressed file", _starts(b"\x1f\x8b"), "unpack it with gunzip"),
    Format("a bzip2-compressed file", _starts(b"BZh"), "unpack it with bunzip2"),
    Format("an xz-compressed file", _starts(b"\xfd7zXZ\0"), "unpack it with unxz"),
    Format("a zstd-compressed file", _starts(b"\x28\xb5\x2f\xfd"), "unpack it with unzstd"),
    Format("a 7z archive", _starts(b"7z\xbc\xaf\x27\x1c"), _UNPACK),
    Format("a tar archive", _starts(b"ustar", at=257), _UNPACK),
    Format("a Git LFS pointer", _starts(b"version https://git-lfs"), "fetch the file itself with git lfs pull"),
    Format(
        "an HTML page",
        lambda sample: sample.head.lstrip()[:14].lower().startswith((b"<!doctype html", b"<html")),
        "download the file again; the server may have sent an error or a login page",
    ),
    Format(
        "a LightGBM model",
        _starts(b"tree\nversion="),
        "it has no embedding tables",
    ),
    Format(
        "a file of word2vec vectors",
        _is_word2vec,
        _word_vectors("gensim.models.KeyedVectors.load_word2vec_format(FILE).vectors"),
    ),
    Format(
        "a text file of vectors, such as GloVe",
        _is_vectors,
        _word_vectors("gensim.models.KeyedVectors.load_word2vec_format(FILE, no_header=True).vectors"),
    ),
    Format(
        "a JSON file",
        lambda sample: sample.head.lstrip()[:1] in (b"{", b"[") and b"\0" not in sample.head,
        'pass the checkpoint; for lines with vectors, np.save("table.npy", np.stack(pandas.read_json(FILE, '
        "lines=True)[COLUMN]))",
    ),
    Format(
        "a text table (CSV or TSV)",
        _is_delimited,
        'run np.save("table.npy", pandas.read_csv(FILE)[COLUMNS].to_numpy(float)) in Python',
    ),
    Format("a text file", lambda sample: bool(sample.lines) and _printable(sample.head), "pass a checkpoint"),
)
"""Formats that are recognised and not read, the more specific ones first."""

FOLDERS = (
    ("a TensorFlow SavedModel", ("saved_model.pb",), "read it with tf.saved_model.load"),
    (
        "a TensorFlow checkpoint folder",
        ("checkpoint", "*.index"),
        "read it with tf.train.load_checkpoint(FOLDER).get_tensor(NAME)",
    ),
    ("a torchsnapshot", (".snapshot_metadata",), "read it with torchsnapshot.Snapshot(FOLDER).read_object"),
    ("a HugeCTR model", ("key", "emb_vector"), 'read emb_vector with np.fromfile(FILE, "f4").reshape(-1, K)'),
    ("an Orbax checkpoint", ("_METADATA",), "read it with orbax.checkpoint"),
    ("a Zarr group", (".zgroup",), "read it with zarr.open"),
    ("a Zarr array", (".zarray",), "read it with zarr.open"),
    ("a Lance data set", ("_versions", "data"), "read it with lance.dataset(FOLDER).to_table()"),
    ("a gensim model folder", ("word2vec.model",), "load it with gensim.models.Word2Vec.load"),
)
"""Folders that are recognised and not read: name, patterns of files in it, and how to read it."""


SUPPORTED = (
    ("a checkpoint of collapse train (.pt)", "written with the version of the format that this release reads"),
    (
        "a torch file (.pt, .pth, .bin, .ckpt, .model)",
        "a state dict, a dictionary that contains one, or a pickled model",
    ),
    ("a .safetensors file", "all floating-point types of 16 bits or more"),
    ("a .npz or .npy file", "arrays of numbers; arrays of Python objects are skipped"),
    ("a Hugging Face folder", "model.safetensors or pytorch_model.bin, also in several shards"),
    ("a torch.distributed.checkpoint folder", "shards of rows, of columns, or of both"),
)
"""What is read: name, and which of it. None of it needs another package."""


def refuse_other_format(path: Path) -> None:
    """Refuse a file or folder whose format is known but not read, before any reader runs.

    Parameters
    ----------
    path : Path
        The file or folder. Files that no format matches pass, and are left to the readers.

    Raises
    ------
    CollapseError
        If the format is not read. The message names the format and one way to get at its tables.
    """
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]+:", path.parts[0] if path.parts else ""):
        url = f"{path.parts[0]}//{'/'.join(path.parts[1:])}"
        raise CollapseError(f"{url} is a URL, which is not supported: download the file first")
    if not path.exists() and path.with_name(f"{path.name}.index").exists():
        raise CollapseError(
            f"{path} is the prefix of a TensorFlow checkpoint, which is not supported: "
            f"{_TENSORFLOW.replace('PREFIX', _quoted(path))}"
        )
    if path.is_dir():
        for name, files, way in FOLDERS:
            if all(any(path.glob(file)) for file in files):
                raise CollapseError(
                    f"{path} is {name}, which is not supported: {way.replace('FOLDER', _quoted(path))}, and "
                    f"{_SAVEZ}"
                )
        return
    found = recognise(path)
    if found is not None and found not in READ:
        raise CollapseError(
            f"{path} is {found.name}, which is not supported: {found.way.replace('FILE', _quoted(path))}"
        )


def recognise(path: Path) -> Format | None:
    """Return the format of a file by its content.

    Parameters
    ----------
    path : Path
        The file, of which only the ends and the listing of a zip archive are read.

    Returns
    -------
    Format or None
        None if no format matches.

    Raises
    ------
    CollapseError
        If the file is not a regular file, is empty, or cannot be read.
    """
    check_is_file(path)
    with explain_os_errors("read", path), open_file(path) as file:
        head = file.read(_HEAD)
        size = file.seek(0, 2)
        file.seek(max(size - _TAIL, 0))
        sample = Sample(path, head, file.read(_TAIL))
    if not head:
        raise CollapseError(f"{path} is empty")
    script, *others = NOT_READ
    return next((each for each in (script, *READ, *others) if each.matches(sample)), None)


def _printable(head: bytes) -> bool:
    return all(byte >= 32 or byte in b"\t\r\n\f" for byte in head)
