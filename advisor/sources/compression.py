"""Opening an input: a file, `-` for standard input, plain or gzip, as blocks of bytes."""

import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from advisor.errors import InputError
from advisor.sources.tally import Tally

BLOCK_BYTES = 1 << 20
"""Large enough that the per-block work vanishes, small enough to stay in the processor's cache."""

_PIECE_BYTES = 1 << 14
"""Of compressed data, decompressed at a time."""

_GZIP = b"\x1f\x8b"
_OTHER = {
    b"BZh": ("bzip2", "bunzip2 -c"),
    b"\xfd7zXZ\x00": ("xz", "xz -dc"),
    b"\x28\xb5\x2f\xfd": ("zstd", "zstd -dc"),
    b"\x04\x22\x4d\x18": ("lz4", "lz4 -dc"),
    b"PK\x03\x04": ("zip", "unzip -p"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """An open input. `blocks` gives its decompressed bytes once; `size` in bytes on disk, 0 where not known."""

    name: str
    blocks: Iterator[bytes]
    compression: str | None
    size: int
    stream: BinaryIO

    def position(self) -> int:
        """Bytes read so far, of `size`; 0 for a pipe."""
        return self.stream.tell() if self.size else 0


@contextmanager
def open_input(name: str, tally: Tally) -> Iterator[Opened]:
    """Opens `name`. A damaged or truncated gzip gives what can be read and a warning in `tally`.

    Raises:
        InputError: it does not exist, cannot be read, or is compressed in an unsupported way.
    """
    stream = _open(name)
    try:
        first = _read(stream, name)
        _refuse_unsupported(first, name)
        raw = _raw_blocks(stream, first, name)
        compressed = first.startswith(_GZIP)
        yield Opened(
            name=name,
            blocks=_gunzip(raw, name, tally) if compressed else raw,
            compression="gzip" if compressed else None,
            size=Path(name).stat().st_size if name != "-" and Path(name).is_file() else 0,
            stream=stream,
        )
    finally:
        if name != "-":
            stream.close()


def _open(name: str) -> BinaryIO:
    if name == "-":
        return sys.stdin.buffer
    try:
        return Path(name).open("rb", buffering=0)
    except FileNotFoundError as error:
        raise InputError(f"{name} does not exist.", hint="Check the path; `-` reads standard input.") from error
    except OSError as error:
        raise InputError(f"{name} cannot be opened.", why=f"{error.strerror}.", hint=_READ_HINT) from error


_READ_HINT = "Server logs often belong to the user postgres: run as a user who may read them, or copy them first."


def _read(stream: BinaryIO, name: str) -> bytes:
    try:
        return stream.read(BLOCK_BYTES) or b""
    except OSError as error:
        raise InputError(f"{name} cannot be read.", why=f"{error.strerror}.", hint=_READ_HINT) from error


def _raw_blocks(stream: BinaryIO, block: bytes, name: str) -> Iterator[bytes]:
    while block:
        yield block
        block = _read(stream, name)


def _refuse_unsupported(first: bytes, name: str) -> None:
    for magic, (what, command) in _OTHER.items():
        if first.startswith(magic):
            raise InputError(
                f"{name} is compressed with {what}.",
                why="Supported are plain files and gzip.",
                hint=f"Decompress it on the way: {command} {name} | advisor analyze -",
            )


def _gunzip(raw: Iterator[bytes], name: str, tally: Tally) -> Iterator[bytes]:
    """The members of a gzip file one after another, in blocks of at most `BLOCK_BYTES`."""
    member = zlib.decompressobj(wbits=31)
    for pending in _pieces(raw):
        while pending:
            if member.eof:
                pending = pending.lstrip(b"\0")
                if not pending.startswith(_GZIP[: len(pending)]):
                    tally.warn(f"{name}: bytes after the end of the gzip data were left out.")
                    return
                member = zlib.decompressobj(wbits=31)
            try:
                data = member.decompress(pending, BLOCK_BYTES)
            except zlib.error as error:
                tally.warn(f"{name}: the gzip data is damaged ({error}); what came before it was read.")
                return
            if data:
                yield data
            pending = member.unused_data if member.eof else member.unconsumed_tail
    if not member.eof:
        rest = member.flush()
        if rest:
            yield rest
        tally.warn(f"{name}: the gzip data is truncated; what is there was read.")


def _pieces(raw: Iterator[bytes]) -> Iterator[bytes]:
    """Small pieces: at a damaged place zlib drops all that the same call has decompressed."""
    for block in raw:
        for start in range(0, len(block), _PIECE_BYTES):
            yield block[start : start + _PIECE_BYTES]
