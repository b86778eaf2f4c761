"""A digest as a file: a line of JSON for people, then a zstd stream with everything.

`head -1 FILE` shows what is inside. The stream holds values in MessagePack, each after its length in 4 bytes (little
endian): every query as `Digest.query_states` tells it, and at last what `Digest.state` tells. The same content gives
the same stream, but for the names of the files that were read.
"""

import hashlib
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import msgspec

from advisor.errors import InputError
from advisor.model.instants import instant_text
from advisor.model.workload import Workload
from advisor.sources import marks
from advisor.sources.detect import DIGEST_FORMAT, DIGEST_MAGIC
from advisor.sources.marks import Mark
from advisor.version import version
from advisor.workload.digest import Digest
from advisor.workload.digest_shape import Query, Sums, check_relations

FORMAT_VERSION = 1

MAX_HEAD_BYTES = 64 * 1024
"""Ours has less than one kibibyte."""

MAX_FILE_BYTES = 1 << 30
MAX_BODY_BYTES = 1 << 33
"""After decompression; a digest of 50,000 queries has about 200 MB."""

MAX_VALUE_BYTES = 1 << 29
"""Of one value. A query has at most 8 samples of 100 kB; the units of work may have some hundred megabytes."""

LITERALS = {
    False: "samples of statements, with their literals and bind values, up to 8 of each query; plans; the last record"
    " of each log",
    True: "none: no samples, no plans, no bind values. What was open at the ends of the logs is closed: units of work"
    " that go on in another log count as two",
}

_COMPRESSION_LEVEL = 6
_WINDOW_LOG = 23
"""8 MiB of history: what a file may ask of its reader, and more than the level uses."""

_LENGTH_BYTES = 4
_CHUNK_BYTES = 1 << 20

_AGAIN = "Copy it again, or make a new one with: advisor digest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """A digest's file as bytes (`head` and `body`), and what it holds as a report shows it."""

    head: bytes
    body: bytes
    workload: Workload

    @property
    def size_bytes(self) -> int:
        """Of the file."""
        return len(self.head) + len(self.body)


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    bytes: int
    queries: int
    sha256: str


class _Version(msgspec.Struct):
    version: int


class _Head(msgspec.Struct):
    """The first line. Only what it says of the body is relied on; the rest is for people."""

    body: _Body


def pack(digest: Digest, now_s: float | None = None) -> Packed:
    """The file of a digest, which must not be added to any more.

    Raises:
        InputError: it is larger than a file may be.
    """
    redacted = bool(digest.redacted)
    body, size, values = _compressed(_values(digest))
    if size > MAX_BODY_BYTES or len(body) > MAX_FILE_BYTES:
        raise InputError(
            f"The digest is too large for a file: {size:,} bytes.",
            why=f"The limit is {MAX_BODY_BYTES:,} bytes, and {MAX_FILE_BYTES:,} compressed.",
            hint="With --redact it is smaller; or digest fewer logs at a time.",
        )
    workload = digest.freeze()
    coverage = workload.coverage
    head = {
        "format": DIGEST_FORMAT,
        "version": FORMAT_VERSION,
        "tool_version": version(),
        "made_at": instant_text(int((now_s if now_s is not None else time.time()) * 1_000_000)),
        "from": instant_text(workload.from_us),
        "to": instant_text(workload.to_us),
        "statements": coverage.statements,
        "queries": len(workload.queries),
        "logs": len(digest.logs),
        "log_bytes": coverage.bytes_total,
        "redacted": redacted,
        "literals": LITERALS[redacted],
        "body": {"bytes": size, "queries": values - 1, "sha256": hashlib.sha256(body).hexdigest()},
    }
    return Packed(head=msgspec.json.encode(head) + b"\n", body=body, workload=workload)


def unpack(data: bytes, digest: Digest, name: str) -> tuple[Mark, ...]:
    """Adds a file's bytes, which may come from anyone, to a digest; the marks that it has.

    Raises:
        InputError: it is no digest, of a newer version, or damaged. The digest must not be used then.
    """
    if not data.startswith(DIGEST_MAGIC):
        raise InputError(f"{name} is not a digest.", hint="Make one: advisor digest LOG -o FILE")
    line, _, body = data.partition(b"\n")
    about = _read_head(line, name)
    if hashlib.sha256(body).hexdigest() != about.sha256:
        raise _damaged(name, "Its content is not what its first line says: the file was cut off or changed.")
    try:
        values = _split(_decompressed(body, about.bytes, name))
        decoder = msgspec.msgpack.Decoder(Query)
        digest.restore_queries(decoder.decode(value) for value in islice(values, about.queries))
        sums = msgspec.msgpack.decode(next(values, b""), type=Sums)
        if next(values, None) is not None:
            raise ValueError("more follows")
        check_relations(sums)
        digest.restore(sums)
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError) as error:
        raise _damaged(name, f"Its content is not a digest's: {error}.") from None
    return marks.restore(sums["marks"])


def read_packed(blocks: Iterable[bytes], name: str) -> bytes:
    """A digest's file from its blocks.

    Raises:
        InputError: it is too large.
    """
    parts, size = [], 0
    for block in blocks:
        parts.append(block)
        size += len(block)
        if size > MAX_FILE_BYTES:
            raise InputError(f"{name} is too large.", why=f"The limit is {MAX_FILE_BYTES:,} bytes.", hint=_AGAIN)
    return b"".join(parts)


def _values(digest: Digest) -> Iterator[bytes]:
    encoder = msgspec.msgpack.Encoder()
    sums = digest.state(with_queries=False)
    for query in digest.query_states():
        yield encoder.encode(query)
    yield encoder.encode(sums)


def _compressed(values: Iterable[bytes]) -> tuple[bytes, int, int]:
    """The stream, its size before it was compressed, and the number of values."""
    zstd = _zstd()
    options = {
        zstd.CompressionParameter.compression_level: _COMPRESSION_LEVEL,
        zstd.CompressionParameter.window_log: _WINDOW_LOG,
    }
    stream = zstd.ZstdCompressor(options=options)
    parts, size, count = [], 0, 0
    for value in values:
        count += 1
        parts.append(stream.compress(len(value).to_bytes(_LENGTH_BYTES, "little") + value))
        size += _LENGTH_BYTES + len(value)
    parts.append(stream.flush())
    return b"".join(parts), size, count


def _decompressed(body: bytes, size: int, name: str) -> Iterator[bytes]:
    """The stream in chunks: as many bytes as the head says."""
    zstd = _zstd()
    stream = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _WINDOW_LOG})
    left = size
    try:
        chunk = stream.decompress(body, _CHUNK_BYTES)
        while chunk:
            left -= len(chunk)
            if left < 0:
                break
            yield chunk
            chunk = b"" if stream.eof else stream.decompress(b"", _CHUNK_BYTES)
    except zstd.ZstdError as error:
        raise _damaged(name, f"It cannot be decompressed: {error}.") from None
    if left or not stream.eof or stream.unused_data:
        raise _damaged(name, f"It does not have the {size:,} bytes that its first line says.")


def _split(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The values of a stream."""
    waiting = bytearray()
    needed = _LENGTH_BYTES
    is_length = True
    for chunk in chunks:
        waiting += chunk
        position = 0
        while len(waiting) - position >= needed:
            value = bytes(waiting[position : position + needed])
            position += needed
            if is_length:
                needed = int.from_bytes(value, "little")
                if needed > MAX_VALUE_BYTES:
                    raise ValueError("a value is too large")
            else:
                yield value
                needed = _LENGTH_BYTES
            is_length = not is_length
        del waiting[:position]
    if waiting or not is_length:
        raise ValueError("it ends within a value")


def _read_head(line: bytes, name: str) -> _Body:
    try:
        read = msgspec.json.decode(line[:MAX_HEAD_BYTES], type=_Version)
        if read.version > FORMAT_VERSION:
            raise InputError(
                f"{name} was made by a newer advisor.",
                why=f"It is of format version {read.version}, and this advisor reads versions up to {FORMAT_VERSION}.",
                hint="Upgrade pg-query-advisor, or make the digest with this version.",
            )
        about = msgspec.json.decode(line[:MAX_HEAD_BYTES], type=_Head).body
    except (ValueError, RecursionError) as error:
        raise _damaged(name, f"Its first line cannot be read: {error}.") from None
    if not 0 <= about.bytes <= MAX_BODY_BYTES or about.queries < 0:
        raise InputError(
            f"{name} is too large.",
            why=f"It says that {about.bytes:,} bytes are in it; the limit is {MAX_BODY_BYTES:,}.",
            hint="Make it with --redact, or of fewer logs.",
        )
    return about


def _damaged(name: str, why: str) -> InputError:
    return InputError(f"{name} is damaged.", why=why, hint=_AGAIN)


def _zstd() -> Any:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd
