"""What ANALYZE found for columns and for the expressions of indexes: `pg_stats`, all of its slots.

The view shows a column to whoever may SELECT it, where no row security applies to the role. An index's expressions
stand there under the index's name, visible to the table's owner, to members of pg_read_all_data and to superusers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from advisor.catalog.arrays import parse_array
from advisor.catalog.rows import Ask, Row
from advisor.model.catalog import ColumnStatistics

StatisticsKey = tuple[str, str, str, bool]
"""Schema, table or index, column, whether of the table with its descendants."""

Delimiters = Mapping[tuple[str, str, str], str]
"""By schema, table, column: `typdelim` of the columns' types, where it is not a comma."""

_RANGES_SINCE = 170000
"""The `range_*` columns came with PostgreSQL 17; before, the slots can only be had from `pg_statistic` itself."""

SLOTS = """s.null_frac::float8 AS null_fraction, s.avg_width AS average_width_bytes, s.n_distinct::float8 AS "distinct",
       s.correlation::float8 AS correlation, s.most_common_vals::text AS most_common,
       s.most_common_freqs::float8[] AS frequencies, s.histogram_bounds::text AS histogram,
       s.most_common_elems::text AS elements, s.most_common_elem_freqs::float8[] AS element_frequencies,
       s.elem_count_histogram::float8[] AS element_counts"""
"""What `pg_stats` and `pg_stats_ext_exprs` have in common. The lists of values travel as one text each."""

_RANGES = """, s.range_length_histogram::text AS range_lengths, s.range_bounds_histogram::text AS range_bounds,
       s.range_empty_frac::float8 AS range_empty_fraction"""


def slot(kind: int, what: str, row: str) -> str:
    """That part of a row of `pg_statistic` which is in the slot of this kind: it may be any of the five."""
    cases = " ".join(f"WHEN {row}.stakind{n} = {kind} THEN {row}.{what.format(n=n)}" for n in range(1, 6))
    return f"CASE {cases} END"


# The slot kinds are STATISTIC_KIND_RANGE_LENGTH_HISTOGRAM and STATISTIC_KIND_BOUNDS_HISTOGRAM of pg_statistic.h.
_RANGE_SLOTS = f"""
SELECT n.nspname AS schema, c.relname AS name, a.attname AS column, s.stainherit AS inherited,
       {slot(6, "stavalues{n}::text", "s")} AS range_lengths, {slot(7, "stavalues{n}::text", "s")} AS range_bounds,
       {slot(6, "stanumbers{n}[1]::float8", "s")} AS range_empty_fraction
FROM pg_catalog.pg_statistic s JOIN pg_catalog.pg_class c ON c.oid = s.starelid
JOIN pg_catalog.pg_attribute a ON a.attrelid = s.starelid AND a.attnum = s.staattnum AND NOT a.attisdropped
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE (6 IN (s.stakind1, s.stakind2, s.stakind3, s.stakind4, s.stakind5)
       OR 7 IN (s.stakind1, s.stakind2, s.stakind3, s.stakind4, s.stakind5))
  AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'"""


def read_statistics(ask: Ask, server: Row, delimiters: Delimiters) -> dict[StatisticsKey, ColumnStatistics]:
    """All that the role may see. `server` is the row of `queries.SERVER`.

    Before PostgreSQL 17, ranges need SELECT on `pg_statistic`: superusers and members of pg_read_all_data have it.
    """
    ranges = _RANGES if server["version_num"] >= _RANGES_SINCE else ""
    rows = ask(f"""
SELECT s.schemaname AS schema, s.tablename AS name, s.attname AS column, s.inherited, {SLOTS}{ranges}
FROM pg_catalog.pg_stats s WHERE s.schemaname <> 'information_schema' AND s.schemaname !~ '^pg_'""")
    found = {_key(row): column_statistics(row, delimiters.get(_key(row)[:3], ",")) for row in rows}
    if not ranges and server["may_read_statistic"]:
        for row in ask(_RANGE_SLOTS):
            if _key(row) in found:
                found[_key(row)] = replace(found[_key(row)], **_ranges(row))
    return found


def column_statistics(row: Row, delimiter: str = ",") -> ColumnStatistics:
    """One row of `pg_stats` or `pg_stats_ext_exprs`, queried by `SLOTS`."""
    most_common = parse_array(row["most_common"], delimiter)
    return ColumnStatistics(
        null_fraction=row["null_fraction"],
        average_width_bytes=row["average_width_bytes"],
        distinct=row["distinct"],
        # Not strict: an odd type whose delimiter is not known must not fail the rest.
        most_common=tuple(zip(most_common, row["frequencies"] or (), strict=False)),
        histogram=parse_array(row["histogram"], delimiter),
        correlation=row["correlation"],
        most_common_elements=parse_array(row["elements"], delimiter),
        element_frequencies=tuple(row["element_frequencies"] or ()),
        element_counts=tuple(row["element_counts"] or ()),
        **_ranges(row),
    )


def expression_statistics(
    index: Row, statistics: Mapping[StatisticsKey, ColumnStatistics]
) -> tuple[ColumnStatistics | None, ...]:
    """Those of an index's expressions, by key; empty where there are none at all."""
    names: Sequence[str] = index["attributes"][: index["key_count"]]
    found = tuple(
        statistics.get((index["schema"], index["name"], name, False)) if expression is not None else None
        for name, expression in zip(names, index["expressions"], strict=False)
    )
    return found if any(found) else ()


def _key(row: Row) -> StatisticsKey:
    return row["schema"], row["name"], row["column"], row["inherited"]


def _ranges(row: Row) -> dict[str, Any]:
    if row.get("range_empty_fraction") is None and row.get("range_bounds") is None:
        return {}
    return {
        "range_lengths": parse_array(row["range_lengths"]),
        "range_bounds": parse_array(row["range_bounds"]),
        "range_empty_fraction": row["range_empty_fraction"],
    }
