"""A snapshot as a file: a line of JSON for people, then a gzip stream with the whole in JSON.

`head -1 FILE` shows what is inside, `tail -n +2 FILE | gunzip` all of it. The same snapshot gives the same bytes.
"""

import hashlib
import os
import stat
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, make_dataclass
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from advisor.catalog.plausible import implausible
from advisor.catalog.private_values import LOW_CARDINALITY
from advisor.errors import InputError, UsageError
from advisor.model.catalog import Catalog, Table
from advisor.model.instants import instant_text
from advisor.model.snapshot import Snapshot, ValuesMode

FORMAT = "pg-query-advisor snapshot"
FORMAT_VERSION = 1
MAGIC = b'{"format":"' + FORMAT.encode() + b'"'

MAX_HEAD_BYTES = 64 * 1024
"""Ours has about one kibibyte."""

MAX_FILE_BYTES = 512 * 1024 * 1024
MAX_BODY_BYTES = 1024 * 1024 * 1024
"""After decompression. 100,000 columns with full statistics have about half of that."""

OLD_DAYS = 30
"""Sizes and distributions of a database that grows by a third each year are 3 % off by then; schemas of teams that
deploy weekly have changed four times."""

CONTENT: dict[ValuesMode, str] = {
    "default": "those of columns that are not text (numbers, dates, uuids, enums), and of text columns with at most "
    f"{LOW_CARDINALITY} distinct values, each in several rows; other text is hashed, and the key is in this file: "
    "a guessed value can be confirmed",
    "included": "all that were sampled, text too",
    "redacted": "none; counts, shares, widths and sizes only",
}
SCHEMA_LITERALS: dict[ValuesMode, str] = {
    **dict.fromkeys(
        ("default", "included"), "kept in CHECK constraints, defaults, index predicates, views and partition bounds"
    ),
    "redacted": "kept in index predicates, generated columns, views, types and partition bounds, which plans need; "
    "CHECK constraints and defaults with texts are left out",
}
LEFT_OUT = "function bodies, arguments of triggers, comments, literals that look like secrets, utility statements"


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    bytes: int
    sha256: str


class _Head(msgspec.Struct):
    """The first line. Only what it says of the body is relied on; the rest is for people."""

    format: str
    version: int
    body: _Body


# JSON has no objects with names of relations for keys: on file, the tables are a list.
_FileCatalog: Any = make_dataclass(
    "_FileCatalog", [(f.name, tuple[Table, ...] if f.name == "tables" else f.type, f) for f in fields(Catalog)]
)
_FileSnapshot: Any = make_dataclass(
    "_FileSnapshot", [(f.name, _FileCatalog if f.name == "catalog" else f.type, f) for f in fields(Snapshot)]
)


def encode(snapshot: Snapshot) -> bytes:
    """The file's bytes."""
    catalog = {f.name: getattr(snapshot.catalog, f.name) for f in fields(Catalog)}
    catalog["tables"] = [snapshot.catalog.tables[name] for name in sorted(snapshot.catalog.tables)]
    document = {f.name: getattr(snapshot, f.name) for f in fields(Snapshot)} | {"catalog": catalog}
    plain = msgspec.json.encode(document, order="deterministic")
    # A gzip stream of zlib's own (wbits 31) has no name and no time in it.
    stream = zlib.compressobj(6, zlib.DEFLATED, 31)
    body = stream.compress(plain) + stream.flush()
    about = {"bytes": len(plain), "sha256": hashlib.sha256(body).hexdigest()}
    return msgspec.json.encode(head(snapshot) | {"body": about}) + b"\n" + body


def head(snapshot: Snapshot) -> dict[str, Any]:
    """What the first line says of the content."""
    catalog = snapshot.catalog
    columns = [column for table in catalog.tables.values() for column in table.columns]
    indexes = [index for table in catalog.tables.values() for index in table.indexes]
    return {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "tool_version": snapshot.tool_version,
        "taken_at": instant_text(snapshot.taken_us),
        "server_version": catalog.server_version,
        "database": catalog.database,
        "tables": len(catalog.tables),
        "indexes": len(indexes),
        "columns": len(columns),
        "columns_with_statistics": sum(bool(c.statistics or c.inherited_statistics) for c in columns),
        "statements": None if snapshot.statements is None else len(snapshot.statements),
        "indexes_with_end_points": sum(index.end_points is not None for index in indexes),
        "values": snapshot.values,
        "values_are": CONTENT[snapshot.values],
        "schema_literals": SCHEMA_LITERALS[snapshot.values],
        "left_out": LEFT_OUT,
    }


def decode(data: bytes, name: str = "the snapshot") -> Snapshot:
    """The snapshot in a file's bytes, which may come from anyone. Raises InputError."""
    if not data.startswith(MAGIC):
        raise InputError(
            f"{name} is not a snapshot.", why=_begins(data), hint="Take one: advisor snapshot --dsn URL -o FILE"
        )
    line, _, body = data.partition(b"\n")
    about = _head(line, name)
    if hashlib.sha256(body).hexdigest() != about.sha256:
        raise _damaged(name, "Its content is not what its first line says: the file was cut off or changed.")
    plain = _decompressed(body, about.bytes, name)
    try:
        read = msgspec.json.decode(plain, type=_FileSnapshot)
    except (msgspec.DecodeError, ValueError, RecursionError, OverflowError) as error:
        raise _damaged(name, f"Its content is not a snapshot's: {error}.") from None
    del plain
    values = {f.name: getattr(read.catalog, f.name) for f in fields(Catalog)}
    values["tables"] = {table.name: table for table in read.catalog.tables}
    if len(values["tables"]) < len(read.catalog.tables):
        raise _damaged(name, "A table is in it twice.")
    snapshot = Snapshot(
        **{f.name: getattr(read, f.name) for f in fields(Snapshot) if f.name != "catalog"}, catalog=Catalog(**values)
    )
    if (reason := implausible(snapshot)) is not None:
        raise _damaged(name, f"No server has what it says: {reason}.")
    return snapshot


def _head(line: bytes, name: str) -> _Body:
    try:
        read = msgspec.json.decode(line[:MAX_HEAD_BYTES], type=_Version)
        if read.version > FORMAT_VERSION:
            raise InputError(
                f"{name} was made by a newer advisor.",
                why=f"It is of format version {read.version}, and this advisor reads versions up to {FORMAT_VERSION}.",
                hint="Upgrade pg-query-advisor, or take the snapshot with this version.",
            )
        about = msgspec.json.decode(line[:MAX_HEAD_BYTES], type=_Head).body
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise _damaged(name, f"Its first line cannot be read: {error}.") from None
    if not 0 <= about.bytes <= MAX_BODY_BYTES:
        raise InputError(
            f"{name} is too large.",
            why=f"It says that {about.bytes:,} bytes are in it; the limit is {MAX_BODY_BYTES:,}.",
            hint="Take a snapshot with --redact, which is smaller.",
        )
    return about


class _Version(msgspec.Struct):
    version: int


def _decompressed(body: bytes, size: int, name: str) -> bytes:
    """At most as many bytes as the head says."""
    stream = zlib.decompressobj(31)
    try:
        plain = stream.decompress(body, size + 1)
    except zlib.error as error:
        raise _damaged(name, f"It cannot be decompressed: {error}.") from None
    if len(plain) != size or not stream.eof or stream.unused_data:
        raise _damaged(name, f"It does not have the {size:,} bytes that its first line says.")
    return plain


def _damaged(name: str, why: str) -> InputError:
    return InputError(f"{name} is damaged.", why=why, hint="Copy it again, or take a new one with: advisor snapshot")


def _begins(data: bytes) -> str:
    """What the file is instead, as far as its beginning tells."""
    if not data:
        return "It is empty."
    if data.startswith(b"PGDMP"):
        return "It is an archive of pg_dump's (pg_restore -f schema.sql makes SQL of it, for --schema)."
    first = data[:40].decode("ascii", errors="replace").split("\n")[0]
    return f'It begins with "{first}".' if first.isprintable() and first.strip() else "It is something else."


def read_snapshot(path: str | Path) -> Snapshot:
    """The snapshot in a file. Raises InputError where it cannot be read or is none."""
    try:
        with Path(path).open("rb") as file:
            data = file.read(len(MAGIC))
            # What is no snapshot may be endless.
            data += file.read(MAX_FILE_BYTES + 1) if data == MAGIC else file.read(40)
    except OSError as error:
        raise InputError(
            f"The snapshot {path} cannot be read.",
            why=f"{error.strerror or error}.",
            hint="Check the name of the file.",
        ) from None
    if len(data) > MAX_FILE_BYTES:
        raise InputError(f"{path} is too large.", why=f"The limit is {MAX_FILE_BYTES:,} bytes.", hint="Use --redact.")
    return decode(data, str(path))


def is_snapshot(path: str) -> bool:
    """Whether a file begins as a snapshot does. False for what is not a file that can be read."""
    try:
        if not stat.S_ISREG(Path(path).stat().st_mode):
            return False
        with Path(path).open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except (OSError, ValueError):
        return False


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, mode 0600, that takes its place as a whole at the end, or never where anything is raised.

    A device or a pipe is written to directly. Raises UsageError where it cannot be written.
    """
    try:
        if path.exists() and not path.is_dir() and not path.is_file():
            with path.open("wb") as device:
                yield device
            return
        if path.is_dir():
            raise IsADirectoryError(0, "it is a folder")
        target = path.resolve()
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:100]}.")
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        why = f"{error.strerror or error}."
        raise UsageError(f"The file {path} cannot be written.", why=why, hint="Give another file to -o.") from None


def age_days(snapshot: Snapshot, now_s: float | None = None) -> float:
    """Days since the snapshot was taken; never negative."""
    return max((now_s if now_s is not None else time.time()) - snapshot.taken_us / 1e6, 0.0) / 86_400


def age_warning(snapshot: Snapshot, now_s: float | None = None) -> str | None:
    """What to say of a snapshot that is older than `OLD_DAYS`; None for a younger one."""
    days = age_days(snapshot, now_s)
    if days <= OLD_DAYS:
        return None
    return (
        f"The snapshot of {snapshot.catalog.database} is {days:,.0f} days old: tables may have grown and changed since."
        " Take a new one with advisor snapshot."
    )
