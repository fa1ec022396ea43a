"""Messages in the wire format of Protocol Buffers, without their schema.

Source: https://protobuf.dev/programming-guides/encoding
"""

import struct
from collections.abc import Iterator

Value = int | memoryview
"""A number, or the bytes of a text, a message or packed numbers."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10


def fields(message: memoryview) -> Iterator[tuple[int, Value]]:
    """Yield the fields of a message in order, each as its number and value.

    Raises
    ------
    ValueError
        If the bytes are not a message.
    """
    at = 0
    while at < len(message):
        tag, at = varint(message, at)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, at = varint(message, at)
            yield number, value
        elif kind in (_FIXED64, _FIXED32):
            form = "<q" if kind == _FIXED64 else "<i"
            yield number, struct.unpack_from(form, message, at)[0]
            at += struct.calcsize(form)
        elif kind == _BYTES:
            size, at = varint(message, at)
            if size > len(message) - at:
                raise ValueError("a field is longer than its message")
            yield number, message[at : at + size]
            at += size
        else:
            raise ValueError(f"a field has the unknown wire type {kind}")


def varint(content: memoryview, at: int) -> tuple[int, int]:
    """Return the number at a position, and the position behind it.

    Raises
    ------
    ValueError
        If there is no complete number.
    """
    value = 0
    for count, byte in enumerate(content[at : at + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return value, at + count + 1
    raise ValueError("a number is incomplete")


def signed(value: int) -> int:
    """Return a number of the type int64, which is written as a number without sign."""
    return value - (1 << 64) if value >= 1 << 63 else value


def numbers(message: memoryview, field: int) -> list[int]:
    """Return the whole numbers of a repeated field, packed or not.

    Raises
    ------
    ValueError
        If the bytes are not a message.
    """
    found = []
    for number, value in fields(message):
        if number == field and isinstance(value, int):
            found.append(signed(value))
        elif number == field and not isinstance(value, int):
            at = 0
            while at < len(value):
                one, at = varint(value, at)
                found.append(signed(one))
    return found


def messages(message: memoryview, field: int) -> Iterator[memoryview]:
    """Yield the messages, texts or bytes of a repeated field."""
    for number, value in fields(message):
        if number == field and not isinstance(value, int):
            yield value


def text(message: memoryview, field: int) -> str:
    """Return the last text of a field; empty if there is none."""
    found = ""
    for value in messages(message, field):
        found = bytes(value).decode(errors="replace")
    return found


def number(message: memoryview, field: int, default: int = 0) -> int:
    """Return the last whole number of a field."""
    found = default
    for key, value in fields(message):
        if key == field and isinstance(value, int):
            found = signed(value)
    return found
