"""Compressed bytes as plain ones: gzip, bzip2, xz, lzma, zstd and lz4, told by their first bytes, in bounded memory.

Formats: RFC 1952 (gzip), RFC 8878 (zstd, skippable frames), the .xz file format 1.1.0, the LZ4 frame format 1.6.
"""

import bz2
import lzma
import re
import struct
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from typing import NamedTuple, Protocol

from advisor.errors import InputError
from advisor.sources.tally import Tally

BLOCK_BYTES = 1 << 20
"""Large enough that the per-block work vanishes, small enough to stay in the processor's cache."""

_PIECE_BYTES = 1 << 14
"""Of compressed data, handed over at a time: at a damaged place a decoder drops all that the same call has given."""

_WINDOW_LOG = 27
_MEMORY_BYTES = (1 << _WINDOW_LOG) + (8 << 20)
"""What a file may ask of its reader: 128 MiB of history, more than any preset of xz (64 MiB) or zstd asks by itself.
The header alone decides on it, so that without a limit a file of a few bytes could take all memory."""

_MAGIC = re.compile(
    rb"(?P<gzip>\x1f\x8b\x08)|(?P<bzip2>BZh[1-9](?:1AY&SY|\x17rE8P\x90|\Z))|(?P<xz>\xfd7zXZ\x00)"
    rb"|(?P<zstd>\x28\xb5\x2f\xfd)|(?P<lz4>\x04\x22\x4d\x18)"
    # The usual properties, a dictionary of a multiple of 64 KiB, a size below 2^40 or unknown.
    rb"|(?P<lzma>\x5d\x00\x00[\x00-\x80][\x00-\x80](?:\xff{8}|.{5}\x00\x00\x00))",
    re.DOTALL,
)
_SKIPPABLE = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18", re.DOTALL)

_REFUSED = {
    b"PK\x03\x04": ("zip", "unzip -p"),
    b"PK\x05\x06": ("zip", "unzip -p"),
    b"7z\xbc\xaf\x27\x1c": ("7-Zip", "7z x -so"),
    b"Rar!\x1a\x07": ("RAR", "unrar p -inul"),
    b"\x1f\x9d": ("compress", "uncompress -c"),
    b"\x02\x21\x4c\x18": ("the old format of lz4", "lz4 -dc"),
    b"\x89LZO\x00\r\n\x1a\n": ("lzop", "lzop -dc"),
    b"LZIP": ("lzip", "lzip -dc"),
    b"\xff\x06\x00\x00sNaPpY": ("snappy", "snzip -dc"),
}
SUPPORTED = "Plain files, gzip, bzip2, xz, lzma, zstd and lz4 are read."


class Decoder(Protocol):
    """One member, stream or frame, as the decompressors of the standard library have it."""

    @property
    def eof(self) -> bool:
        """Whether its end was reached."""

    @property
    def needs_input(self) -> bool:
        """Whether nothing more comes without more bytes."""

    @property
    def unused_data(self) -> bytes | None:
        """What followed its end in the last bytes given."""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """At most `max_length` bytes of what comes next."""


class _Gzip:
    """`zlib.decompressobj`, which hands its unread input back, in the form of the others, which keep it."""

    __slots__ = ("_rest", "_zlib", "needs_input")

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=31)
        self._rest = b""
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        out = self._zlib.decompress(self._rest + data, max_length)
        self._rest = self._zlib.unconsumed_tail
        self.needs_input = not self._rest and len(out) < max_length
        return out


class _Codec(NamedTuple):
    start: Callable[[], Decoder]
    damage: tuple[type[Exception], ...]


def _codec(kind: str) -> _Codec:
    """How `kind` is read. The libraries of zstd and lz4 are loaded only where they are needed."""
    if kind == "gzip":
        return _Codec(_Gzip, (zlib.error,))
    if kind == "bzip2":
        return _Codec(bz2.BZ2Decompressor, (OSError, ValueError))
    if kind in ("xz", "lzma"):
        form = lzma.FORMAT_XZ if kind == "xz" else lzma.FORMAT_ALONE
        return _Codec(partial(lzma.LZMADecompressor, format=form, memlimit=_MEMORY_BYTES), (lzma.LZMAError,))
    if kind == "zstd":
        return _zstd()
    import lz4.frame

    return _Codec(lz4.frame.LZ4FrameDecompressor, (RuntimeError,))


def _zstd() -> _Codec:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd

    options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: _WINDOW_LOG}
    return _Codec(partial(zstd.ZstdDecompressor, options=options), (zstd.ZstdError,))


def kind_of(first: bytes) -> str | None:
    """How bytes that begin with `first` (512 or more, if there are) are compressed; None where they are not."""
    found = _MAGIC.match(first)
    if found:
        return found.lastgroup
    position = 0
    while _SKIPPABLE.match(first, position) and len(first) >= position + 8:
        position += 8 + int(struct.unpack_from("<I", first, position + 4)[0])
    if position == 0:
        return None
    # pzstd writes such a frame first; zstd and lz4 share their form, and what follows tells which it is.
    after = _MAGIC.match(first, position)
    return "lz4" if after and after.lastgroup == "lz4" else "zstd"


def refuse_unsupported(first: bytes, name: str, kind: str | None) -> None:
    """Refuses archives and what cannot be decompressed here.

    `first` are the first bytes of `name`, decompressed where it is of `kind`.

    Raises:
        InputError: says what it is and which command reads it.
    """
    if first[257:262] == b"ustar" and b"\0" in first[:257]:
        inside = f" inside {kind}" if kind else ""
        raise InputError(
            f"{name} is a tar archive{inside}.",
            why=SUPPORTED,
            hint=f"Take the logs out on the way: tar -xOf {name} | advisor analyze -",
        )
    refused = next((what for magic, what in _REFUSED.items() if first.startswith(magic)), None)
    inner = kind_of(first) if kind else None
    if kind and (inner or refused):
        what = inner or (refused[0] if refused else "")
        raise InputError(
            f"{name} is compressed twice: {what} inside {kind}.",
            why="One compression is undone, no more.",
            hint=f"Undo the outer one first: {COMMANDS[kind]} {name} | advisor analyze -",
        )
    if refused:
        raise InputError(
            f"{name} is compressed with {refused[0]}.",
            why=SUPPORTED,
            hint=f"Decompress it on the way: {refused[1]} {name} | advisor analyze -",
        )


COMMANDS = {
    "gzip": "gzip -dc",
    "bzip2": "bzip2 -dc",
    "xz": "xz -dc",
    "lzma": "xz -dc",
    "zstd": "zstd -dc --long=31",
    "lz4": "lz4 -dc",
}
"""What undoes each, by hand."""


def decompressed(
    raw: Iterable[bytes], kind: str, name: str, tally: Tally, block_bytes: int = BLOCK_BYTES
) -> Iterator[bytes]:
    """The members, streams or frames of `raw` one after another, in blocks of at most `block_bytes`.

    Zeros between and after them are padding. What is cut off or damaged, and what follows that is no such data, ends
    the reading with a warning in `tally`; all that came before is given.

    Raises:
        InputError: it asks for more memory than `_MEMORY_BYTES`.
    """
    reader = _Reader(kind, name, tally)
    parts: list[bytes] = []
    size = 0
    for piece in chain(_pieces(raw), (None,)):
        reader.take(piece)
        while not reader.wants_input:
            part = reader.give(block_bytes - size)
            parts.append(part)
            size += len(part)
            if size >= block_bytes:
                yield b"".join(parts)
                parts.clear()
                size = 0
        if reader.ended:
            break
    if size:
        yield b"".join(parts)
    reader.finish()


class _Reader:
    """Walks over the members; knows whether more comes without more input, and whether it is over."""

    __slots__ = ("_codec", "_data", "_decoder", "_kind", "_last", "_name", "_tally", "ended")

    def __init__(self, kind: str, name: str, tally: Tally) -> None:
        self._kind, self._name, self._tally = kind, name, tally
        self._codec = _codec(kind)
        self._decoder = self._codec.start()
        self._data = b""
        self._last = False
        self.ended = False

    @property
    def wants_input(self) -> bool:
        """Whether nothing more comes without `take`."""
        if self.ended:
            return True
        if self._decoder.eof:
            return not self._data or (len(self._data) < _MAGIC_BYTES and not self._last)
        return self._decoder.needs_input and not self._data

    def take(self, piece: bytes | None) -> None:
        """More input; None is its end."""
        self._last = piece is None
        self._data += piece or b""

    def give(self, limit: int) -> bytes:
        """At most `limit` bytes; fewer, or none, at the end of a member."""
        if self._decoder.eof and not self._next_member():
            return b""
        data, self._data = self._data, b""
        try:
            out = self._decoder.decompress(data, limit)
        except self._codec.damage as error:
            self._fail(str(error))
            return b""
        if self._decoder.eof:
            self._data = self._decoder.unused_data or b""
        return out

    def finish(self) -> None:
        if not self.ended and not self._decoder.eof:
            self._tally.warn(f"{self._name}: the {self._kind} data is truncated; what is there was read.")

    def _next_member(self) -> bool:
        padding = self._data[:1] == b"\0"
        if padding:
            self._data = self._data.lstrip(b"\0")
            return False
        skippable = self._kind in ("zstd", "lz4") and _SKIPPABLE.match(self._data)
        if kind_of(self._data) != self._kind and not skippable:
            self._tally.warn(f"{self._name}: bytes after the end of the {self._kind} data were left out.")
            self._data = b""
            self.ended = True
            return False
        self._decoder = self._codec.start()
        return True

    def _fail(self, why: str) -> None:
        self.ended = True
        self._data = b""
        if "memory" in why.lower():
            raise InputError(
                f"{self._name} cannot be decompressed in {_MEMORY_BYTES >> 20} MiB.",
                why=f"{why}.",
                hint=f"Decompress it on the way: {COMMANDS[self._kind]} {self._name} | advisor analyze -",
            )
        self._tally.warn(f"{self._name}: the {self._kind} data is damaged ({why}); what came before it was read.")


_MAGIC_BYTES = 16
"""No first bytes that are looked for are longer."""


def _pieces(raw: Iterable[bytes]) -> Iterator[bytes]:
    for block in raw:
        for start in range(0, len(block), _PIECE_BYTES):
            yield block[start : start + _PIECE_BYTES]
