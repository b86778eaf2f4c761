"""A database as it was at one moment, in a form that can be kept in a file."""

from dataclasses import dataclass
from typing import Literal

from advisor.model.catalog import Catalog
from advisor.model.workload import StatementStatistics

ValuesMode = Literal["default", "included", "redacted"]
"""Which sampled values a snapshot holds. `default`: those of columns that are not text and of columns with few distinct
values, the rest as keyed hashes; `included`: all; `redacted`: none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Privilege:
    """A right on the target, and what a reading is worth with and without it.

    Attributes:
        name: `SELECT on 12 of 40 tables`, `pg_read_all_stats`.
        held: whether the role has it.
        gives: what is read by it: `most common values, histograms`.
        lacking: what is worse without it, as a sentence.
        grant: the statement that gives it, with its semicolon; None where no GRANT can.
    """

    name: str
    held: bool
    gives: str
    lacking: str
    grant: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What `advisor snapshot` keeps.

    Attributes:
        taken_us: microseconds since 1970 in UTC.
        values: which sampled values are inside.
        key: of the hashes that stand for values, as hex; None where there are none.
        catalog: with its statistics; values that are left out are replaced or missing as `values` says.
        statements: the workload of `pg_stat_statements`; None where it was not wanted or not to be had.
        privileges: what the role could see.
        role: the one that read it.
    """

    taken_us: int
    tool_version: str
    values: ValuesMode
    catalog: Catalog
    key: str | None = None
    statements: tuple[StatementStatistics, ...] | None = None
    privileges: tuple[Privilege, ...] = ()
    role: str | None = None
