"""fastText's binary models: the vectors of words, and of the buckets of character n-grams.

The input matrix holds the words first and then the buckets. The file also counts how often each word occurred.

Source: https://github.com/facebookresearch/fastText, the `save` methods of its classes.
"""

import mmap
import struct
from pathlib import Path
from typing import Any

import numpy as np

from collapse.errors import CollapseError
from collapse.io.formats.sample import Format, starts
from collapse.io.readers.damage import explain_damage
from collapse.io.readers.state import State
from collapse.io.readers.text_stream import mapped

_MAGIC = 0x2F4F16BA
_ARGUMENTS = struct.Struct("<12id")
_DICTIONARY = struct.Struct("<iiiqq")
_WORD, _LABEL = 0, 1
_MOST_TOKENS = 1 << 53


def read_fasttext(path: Path, _verify: bool = True) -> State:
    """Map the input matrix of a model, as the tables ``words`` and ``buckets``.

    Parameters
    ----------
    path : Path
        The file, which may be compressed.

    Returns
    -------
    State
        The tables, with the number of times that each word occurred.

    Raises
    ------
    CollapseError
        If the file is damaged, or its matrices are quantised (``.ftz``).
    """
    with explain_damage(path, "a complete fastText model"):
        content = mapped(path)
        at = 8 + _ARGUMENTS.size
        size, words, labels, tokens, pruned = _DICTIONARY.unpack_from(content, at)
        at += _DICTIONARY.size
        if not 0 <= words <= size == words + labels <= len(content):
            raise ValueError(f"its dictionary has {size} entries, but {words} words and {labels} labels")
        counts, at = _counts(content, at, size, tokens)
        at += 8 * max(pruned, 0)
        if content[at]:
            raise CollapseError(
                f"{path} is a quantised fastText model, which is not supported: pass the .bin file that it was "
                "made "
                "from"
            )
        input_, at = _matrix(content, at + 1)
        output, _ = _matrix(content, at + 1)
        if len(input_) < words:
            raise ValueError(f"its matrix has fewer rows than its {words} words")
        tensors = {"words": input_[:words], "buckets": input_[words:], "output": output}
        return State(
            tensors={name: tensor for name, tensor in tensors.items() if len(tensor)},
            tables=frozenset({"words", "buckets"}),
            row_counts={"words": counts[:words]},
            format="fastText",
        )


def _counts(content: mmap.mmap, at: int, entries: int, tokens: int) -> tuple[Any, int]:
    """Return how often each entry of the dictionary occurred, words before labels, and the position behind it."""
    counts, kinds = [], []
    for _ in range(entries):
        end = content.find(b"\0", at)
        if end < 0:
            raise ValueError("its dictionary is incomplete")
        count, kind = struct.unpack_from("<qb", content, end + 1)
        if not 0 <= count <= tokens <= _MOST_TOKENS:
            raise ValueError(f"a word occurs {count:,} times among {tokens:,} tokens")
        counts.append(count)
        kinds.append(kind)
        at = end + 10
    if sorted(kinds) != kinds or not set(kinds) <= {_WORD, _LABEL}:
        raise ValueError("its dictionary does not list words before labels")
    return np.array(counts, np.int64), at


def _matrix(content: mmap.mmap, at: int) -> tuple[Any, int]:
    rows, columns = struct.unpack_from("<qq", content, at)
    end = at + 16 + 4 * rows * columns
    if rows < 0 or columns < 1 or end > len(content):
        raise ValueError(f"it ends within a matrix of {rows} x {columns}")
    whole = np.frombuffer(content, np.uint8)
    return whole[at + 16 : end].view("<f4").reshape(rows, columns), end


FORMATS = (
    Format(
        name="a fastText model (.bin)",
        matches=starts(_MAGIC.to_bytes(4, "little")),
        read=read_fasttext,
        compressed=True,
        about="words, with how often they occurred, and buckets of n-grams; not the quantised .ftz",
    ),
)
"""Files of fastText."""
