"""Opening an input: a file, a pipe or `-` for standard input, plain or compressed, as blocks of bytes."""

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from advisor.errors import InputError
from advisor.sources.decompress import BLOCK_BYTES, decompressed, kind_of, refuse_unsupported
from advisor.sources.tally import Tally

_READ_HINT = "Server logs often belong to the user postgres: run as a user who may read them, or copy them first."
_ENOUGH_TO_TELL = 4096
"""Bytes, the least that are read of a file: its kind, and that of what is compressed in it, shows in the first 512."""

_PATH_HINT = "Check the path; `-` reads standard input."


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """An open input. `blocks` gives its decompressed bytes once; `size` in bytes on disk, 0 where not known.

    `is_plain_file`: any range of it can be read on its own (`open_range`), as it is neither compressed nor a pipe.
    """

    name: str
    blocks: Iterator[bytes]
    compression: str | None
    size: int
    is_plain_file: bool
    stream: BinaryIO

    def position(self) -> int:
        """Bytes read so far, of `size`; 0 for a pipe."""
        return self.stream.tell() if self.size else 0


@contextmanager
def open_input(name: str, tally: Tally, *, start: int = 0, block_bytes: int = BLOCK_BYTES) -> Iterator[Opened]:
    """Opens `name` and leaves out its first `start` bytes (decompressed).

    A file is read up to the size it has now, however it grows. What is damaged, truncated or followed by other bytes
    gives what can be read and a warning in `tally`. Blocks have at most `block_bytes`, whatever the compression.

    Raises:
        InputError: it does not exist, cannot be read, is an archive, or is compressed twice or in an unsupported way.
    """
    stream, size = _open(name)
    shown = "standard input" if name == "-" else name
    try:
        first = _read(stream, shown, block_bytes if size is None else min(block_bytes, size))
        kind = kind_of(first)
        refuse_unsupported(first, shown, None)
        if kind is None and size is not None and start:
            stream.seek(start)
            blocks = _raw_blocks(stream, b"", shown, size - start, tally, block_bytes)
        else:
            left = None if size is None else size - len(first)
            blocks = _raw_blocks(stream, first, shown, left, tally, block_bytes)
            if kind is not None:
                blocks = _checked(decompressed(blocks, kind, shown, tally, block_bytes), shown, kind)
            if start:
                blocks = _skipped(blocks, start)
        yield Opened(
            name=name,
            blocks=blocks,
            compression=kind,
            size=size or 0,
            is_plain_file=size is not None and kind is None,
            stream=stream,
        )
    finally:
        if name != "-":
            stream.close()


def open_range(name: str, start: int, end: int) -> Iterator[bytes]:
    """The bytes of a plain file from `start` to before `end`, in blocks of at most a mebibyte.

    Raises:
        InputError: it cannot be opened or read.
    """
    stream, _ = _open(name)
    with stream:
        stream.seek(start)
        left = end - start
        while left > 0 and (block := _read(stream, name, min(BLOCK_BYTES, left))):
            yield block
            left -= len(block)


def head_of(name: str, size: int) -> bytes:
    """The first `size` bytes of a file, decompressed; fewer where there are no more, or where it is damaged.

    Raises:
        InputError: as `open_input`.
    """
    with open_input(name, Tally(), block_bytes=min(max(size, _ENOUGH_TO_TELL), BLOCK_BYTES)) as opened:
        parts: list[bytes] = []
        missing = size
        while missing > 0 and (block := next(opened.blocks, b"")):
            parts.append(block[:missing])
            missing -= len(block)
        return b"".join(parts)


def _open(name: str) -> tuple[BinaryIO, int | None]:
    """The stream, and its size where it is a file on disk."""
    if name == "-":
        if sys.stdin is None:
            raise InputError("There is no standard input.", hint="Give the name of a file.")
        return sys.stdin.buffer, None
    try:
        mode = Path(name).stat().st_mode
        _refuse_kind(name, mode)
        stream = Path(name).open("rb", buffering=0)  # noqa: SIM115 - the caller closes it
    except FileNotFoundError as error:
        if Path(name).is_symlink():
            target = Path(name).readlink()
            raise InputError(
                f"{name} is a broken link.", why=f"It leads to {target}, which does not exist.", hint=_PATH_HINT
            ) from error
        raise InputError(f"{name} does not exist.", hint=_PATH_HINT) from error
    except OSError as error:
        raise InputError(f"{name} cannot be opened.", why=f"{error.strerror}.", hint=_READ_HINT) from error
    except ValueError as error:
        raise InputError(f"{name!r} is not the name of a file.", why=f"{error}.", hint=_PATH_HINT) from error
    return stream, os.fstat(stream.fileno()).st_size if stat.S_ISREG(mode) else None


def _refuse_kind(name: str, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise InputError(f"{name} is a folder.", hint="Give the files in it.")
    if stat.S_ISSOCK(mode):
        raise InputError(f"{name} is a socket.", hint="Give the server's log file.")


def _read(stream: BinaryIO, name: str, size: int) -> bytes:
    """`size` bytes, or what is there before the end: a pipe gives as little at a time as it was written."""
    parts: list[bytes] = []
    try:
        while size > 0 and (part := stream.read(size)):
            parts.append(part)
            size -= len(part)
    except OSError as error:
        raise InputError(f"{name} cannot be read.", why=f"{error.strerror}.", hint=_READ_HINT) from error
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _raw_blocks(
    stream: BinaryIO, first: bytes, name: str, left: int | None, tally: Tally, block_bytes: int
) -> Iterator[bytes]:
    """`first` and then `left` more bytes, or all where that is None."""
    if first:
        yield first
    while left is None or left > 0:
        block = _read(stream, name, block_bytes if left is None else min(block_bytes, left))
        if not block:
            if left is not None:
                tally.warn(f"{name} was cut off while it was read: {left} bytes are missing.")
            return
        yield block
        left = left - len(block) if left is not None else None


def _checked(blocks: Iterator[bytes], name: str, kind: str) -> Iterator[bytes]:
    """Looks at the first decompressed block at once: what is wrong with it is wrong with the input."""
    first = next(blocks, b"")
    refuse_unsupported(first, name, kind)
    return chain((first,), blocks) if first else blocks


def _skipped(blocks: Iterator[bytes], count: int) -> Iterator[bytes]:
    for block in blocks:
        if count >= len(block):
            count -= len(block)
        elif count:
            yield block[count:]
            count = 0
        else:
            yield block
