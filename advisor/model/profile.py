"""What is believed about a table's rows, and why: the ground on which rows are synthesised."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from advisor.model.names import QualifiedName

Basis = Literal["catalog", "plan", "flag", "assumed"]
"""Where a number comes from, best first: statistics, a plan in the input, `--table-rows`, or nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnProfile:
    """The distribution of a column, values as PostgreSQL text.

    Attributes:
        distinct: number of distinct values in the table at its full size; None: not known.
        common: (value, share of all rows), most frequent first.
        seen: constants that the workload compares the column with, most frequent first.
        histogram: bounds of equally full buckets of the values not in `common`.
        low, high: the ends of the values' range where known.
    """

    distinct: float | None = None
    null_fraction: float | None = None
    common: tuple[tuple[str, float], ...] = ()
    seen: tuple[str, ...] = ()
    histogram: tuple[str, ...] = ()
    low: str | None = None
    high: str | None = None
    correlation: float | None = None
    average_width_bytes: int | None = None
    basis: Basis = "assumed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableProfile:
    """A table's row count and columns, with where they come from."""

    rows: int
    basis: Basis
    columns: Mapping[str, ColumnProfile] = field(default_factory=dict)


DataProfile = Mapping[QualifiedName, TableProfile]
