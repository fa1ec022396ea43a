"""Files of sorted keys and values in LevelDB's format, which TensorFlow uses for the index of a checkpoint.

A file is a sequence of blocks. Its last 48 bytes, the footer, say where the index block is, which says where the
data blocks are. A key is stored as the number of bytes that it shares with the key before it, and the rest.

Source: https://github.com/google/leveldb/blob/main/doc/table_format.md
"""

from collections.abc import Iterator

import google_crc32c

from collapse.io.readers.protobuf import varint

MAGIC = bytes.fromhex("57fb808b247547db")
"""Last bytes of a file."""
_FOOTER = 48
_TRAILER = 5
"""Bytes after a block: its compression and a checksum."""
_EXPANSION = 1000
"""Most bytes of keys for each byte of a file. A file of keys that share nearly everything could need far more."""
_MASK = 0xA282EAD8


def entries(content: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Yield the keys and values of a file.

    Parameters
    ----------
    content : memoryview
        The whole file.

    Raises
    ------
    ValueError
        If the file is damaged, or its blocks are compressed.
    """
    if len(content) < _FOOTER or content[-len(MAGIC) :] != MAGIC:
        raise ValueError("its footer is missing")
    footer = content[-_FOOTER:]
    _, at = _handle(footer, 0)
    index, _ = _handle(footer, at)
    budget = _EXPANSION * len(content)
    for _, handle in _entries(_block(content, *index)):
        place, _ = _handle(handle, 0)
        for key, value in _entries(_block(content, *place)):
            budget -= len(key)
            if budget < 0:
                raise ValueError("its keys are far larger than the file")
            yield key, value


def unmasked(checksum: int) -> int:
    """Return the CRC-32C behind a stored checksum, which LevelDB rotates and shifts."""
    rotated = (checksum - _MASK) & 0xFFFFFFFF
    return ((rotated >> 17) | (rotated << 15)) & 0xFFFFFFFF


def _handle(content: memoryview, at: int) -> tuple[tuple[int, int], int]:
    offset, at = varint(content, at)
    size, at = varint(content, at)
    return (offset, size), at


def _block(content: memoryview, offset: int, size: int) -> memoryview:
    end = offset + size
    if end + _TRAILER > len(content):
        raise ValueError("a block is beyond its end")
    checksum = int.from_bytes(content[end + 1 : end + _TRAILER], "little")
    if google_crc32c.value(bytes(content[offset : end + 1])) != unmasked(checksum):
        raise ValueError("a block does not match its checksum")
    if content[end] != 0:
        raise ValueError("its blocks are compressed")
    return content[offset:end]


def _entries(block: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    restarts = int.from_bytes(block[-4:], "little")
    end = len(block) - 4 - 4 * restarts
    at, key = 0, b""
    while at < end:
        shared, at = varint(block, at)
        rest, at = varint(block, at)
        size, at = varint(block, at)
        if shared > len(key) or at + rest + size > end:
            raise ValueError("an entry is longer than its block")
        key = key[:shared] + bytes(block[at : at + rest])
        yield key, block[at + rest : at + rest + size]
        at += rest + size
