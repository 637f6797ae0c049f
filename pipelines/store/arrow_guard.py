"""Checks the tables of an Arrow file before Arrow reads it.

Arrow unpacks compressed buffers into as much memory as they declare. Stores are never compressed, so a
compressed file is refused here. Format: Apache Arrow, "File.fbs", "Message.fbs" (columnar format 1.x), and
the internals of FlatBuffers for the few look-ups needed.
"""

from __future__ import annotations

import struct

MAGIC = b"ARROW1"
RECORD_BATCH = 3
"""Type of a message that holds a record batch."""


class ArrowFileError(ValueError):
    """The bytes are not an Arrow file as stores hold it."""


def block_lengths(data: memoryview) -> list[int]:
    """Rows of every record batch, as declared, of an uncompressed Arrow file without dictionaries.

    Raises ArrowFileError for any other bytes. Nothing is allocated but the list.
    """
    if len(data) < 18 or bytes(data[:6]) != MAGIC or bytes(data[-6:]) != MAGIC:
        raise ArrowFileError("not an Arrow file, or cut off")
    (size,) = _read(data, "i", len(data) - 10)
    if not 0 < size <= len(data) - 18:
        raise ArrowFileError(f"its footer declares {size} bytes")
    footer = data[len(data) - 10 - size : len(data) - 10]
    table = _follow(footer, 0)
    if _vector(footer, table, 2)[1]:
        raise ArrowFileError("it holds dictionaries, which stores never do")
    first, count = _vector(footer, table, 3)
    return [_rows(data, *_read(footer, "qi4xq", first + 24 * i)) for i in range(count)]


def _rows(data: memoryview, offset: int, header: int, body: int) -> int:
    """Rows of the record batch whose message is `header` bytes long at `offset`, `body` bytes after it."""
    if offset < 8 or header < 16 or body < 0 or offset + header + body > len(data):
        raise ArrowFileError(f"a record batch at {offset} declares {header} + {body} bytes")
    message = data[offset + 8 : offset + header]
    table = _follow(message, 0)
    kind, batch = _field(message, table, 1), _field(message, table, 2)
    if not kind or message[kind] != RECORD_BATCH or not batch:
        raise ArrowFileError(f"no record batch at {offset}")
    batch = _follow(message, batch)
    if _field(message, batch, 3):
        raise ArrowFileError("it is compressed, which stores never are")
    length = _field(message, batch, 0)
    return int(_read(message, "q", length)[0]) if length else 0


def _read(data: memoryview, code: str, at: int) -> tuple[int, ...]:
    """Little-endian numbers at a position, which may lie outside the file."""
    if not 0 <= at <= len(data) - struct.calcsize(f"<{code}"):
        raise ArrowFileError("its tables point outside the file")
    return struct.unpack_from(f"<{code}", data, at)


def _follow(data: memoryview, at: int) -> int:
    """The target of the relative pointer at a position."""
    return at + _read(data, "I", at)[0]


def _field(data: memoryview, table: int, number: int) -> int:
    """Position of a table's field; 0 where it is left out."""
    fields = table - _read(data, "i", table)[0]
    if 4 + 2 * number >= _read(data, "H", fields)[0]:
        return 0
    offset = _read(data, "H", fields + 4 + 2 * number)[0]
    position = table + offset if offset else 0
    if position >= len(data):
        raise ArrowFileError("its tables point outside the file")
    return position


def _vector(data: memoryview, table: int, number: int) -> tuple[int, int]:
    """First element's position and number of elements of a field that is a vector."""
    field = _field(data, table, number)
    if not field:
        return 0, 0
    start = _follow(data, field)
    return start + 4, _read(data, "I", start)[0]
