"""Migration files in, statements out: plain `.sql` files and folders of them, in the order in which they run."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from advisor.errors import EmptyInput, InputError
from advisor.migrations.describe import describe, kind_of
from advisor.migrations.files import FileStatement, MigrationFile
from advisor.sql.parse import parse_one
from advisor.sql.split import StatementText, split

_HARMLESS = frozenset({"echo", "qecho", "warn", "timing", "pset", "x", "t", "a", "restrict", "unrestrict"})
"""psql commands that change nothing but what psql prints."""

_UNDO = (".down.sql", ".undo.sql", ".rollback.sql")
"""Endings by which common runners mark the file that takes a migration back: not run on the way up."""

_NUMBERS = re.compile(r"(\d+)")


def read_migrations(paths: Sequence[str]) -> tuple[MigrationFile, ...]:
    """The files in the order given, a folder's files in natural version order (2 before 10), below it folder by folder.

    A file that does not parse, or that needs psql for more than to be sent, comes with its `error`; so does one of
    several that is not readable, since the others can be judged.

    Raises:
        InputError: a path is not there; or the only file is not readable, binary, or not UTF-8 (EmptyInput: empty).
    """
    files = list(dict.fromkeys(file for path in paths for file in _expand(Path(path))))
    return tuple(_read_one_of(file, len(files)) for file in files)


def natural_key(path: Path) -> tuple[tuple[tuple[bool, int, str], ...], ...]:
    """Sorts names part by part, runs of digits as numbers."""
    return tuple(
        tuple(
            (False, int(piece), "") if piece.isdecimal() else (True, 0, piece)
            for piece in _NUMBERS.split(part)
            if piece
        )
        for part in path.parts
    )


def _expand(path: Path) -> Iterator[Path]:
    if not path.exists():
        raise InputError(f"{path} is not there.", hint="Give a .sql file or a folder of them.")
    if not path.is_dir():
        yield path
        return
    found = [
        file
        for file in path.rglob("*.sql")
        if not file.name.endswith(_UNDO) and not any(part.startswith(".") for part in file.relative_to(path).parts)
    ]
    if not found:
        raise EmptyInput(f"{path} holds no .sql file.", hint="Give the folder that holds the migrations.")
    yield from sorted(found, key=lambda file: natural_key(file.relative_to(path)))


def _read_one_of(path: Path, count: int) -> MigrationFile:
    try:
        return _read(path)
    except InputError as error:
        if count == 1:
            raise
        return MigrationFile(file=str(path), transaction="none", error=f"{error.what} {error.why or ''}".strip())


def _read(path: Path) -> MigrationFile:
    text = _text(path)
    pieces = split(text)
    statements: list[FileStatement] = []
    error = None
    for piece in pieces:
        problem = _problem(piece)
        if problem is None and piece.kind != "meta":
            statements.append(_statement(piece))
        elif problem is not None and error is None:
            error = problem
    explicit = any(s.details.get("transaction") in ("begin", "commit") for s in statements)
    return MigrationFile(
        file=str(path), transaction="explicit" if explicit else "none", statements=tuple(statements), error=error
    )


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read.", why=str(error.strerror)) from None
    if not raw.strip():
        raise EmptyInput(f"{path} is empty.", hint="A migration needs at least a comment that says why it is empty.")
    if b"\0" in raw:
        raise InputError(f"{path} is not text.", why="It holds NUL bytes.", hint="Save it as UTF-8.")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path} is not UTF-8.", why=f"Line {line} is not.", hint="Save it as UTF-8.") from None


def _problem(piece: StatementText) -> str | None:
    """Why the file cannot be run as it stands, with the line."""
    if piece.kind == "meta":
        command = re.split(r"[\s\\]", piece.sql.removeprefix("\\"), maxsplit=1)[0]
        settings_only = command == "set" and re.match(r"\\set\s+[A-Z_]+\b", piece.sql)
        if command in _HARMLESS or settings_only:
            return None
        return f"line {piece.line}: the psql command \\{command} cannot be run here"
    if piece.error is None:
        return None
    offset = piece.error.position or 0
    line = piece.line + piece.sql.count("\n", 0, offset)
    return f"line {line}: {piece.error.what}"


def _statement(piece: StatementText) -> FileStatement:
    tree = parse_one(piece.sql)
    return FileStatement(
        line=piece.line,
        column=piece.column,
        end_line=piece.end_line,
        sql=piece.sql,
        kind=kind_of(tree),
        details=describe(tree),
        copy_data=piece.data,
    )
