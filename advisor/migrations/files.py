"""The values of migration files before they are run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from advisor.model.migration import TransactionMode


@dataclass(frozen=True, slots=True, kw_only=True)
class FileStatement:
    """One statement as written: its place (1-based), text, kind and facts (`describe`).

    `copy_data` are the rows that follow a COPY … FROM STDIN.
    """

    line: int
    column: int
    end_line: int
    sql: str
    kind: str
    details: Mapping[str, Any] = field(default_factory=dict)
    copy_data: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationFile:
    """A migration file in the order of execution. `error` says with its line why it cannot be judged."""

    file: str
    transaction: TransactionMode
    statements: tuple[FileStatement, ...] = ()
    framework: str = "sql"
    error: str | None = None
