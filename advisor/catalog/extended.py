"""Statistics objects (`CREATE STATISTICS`) and what ANALYZE found for them.

Everybody sees the objects; `pg_stats_ext` and `pg_stats_ext_exprs` show the data to members of the table's owner only.
"""

from collections import defaultdict
from collections.abc import Mapping

from advisor.catalog.rows import Ask, Oid, Row
from advisor.catalog.statistics import SLOTS, column_statistics
from advisor.model.catalog import ColumnStatistics, CombinedStatistics, CommonCombination, ExtendedStatistics
from advisor.model.names import QualifiedName

_EXPRESSIONS_SINCE = 140000
_INHERITED_SINCE = 150000
"""`pg_stats_ext.inherited`; before, a partitioned table's are the tree's and any other table's are its own."""

_DataKey = tuple[str, str, bool]
"""Schema and name of the object, whether of the table with its descendants."""


def read_extended_statistics(ask: Ask, version_num: int, tables: Mapping[Oid, Row]) -> tuple[ExtendedStatistics, ...]:
    """The statistics objects of these tables (rows of `queries.RELATIONS` by oid), by name."""
    data = _data(ask, version_num)
    inherited = version_num >= _INHERITED_SINCE
    return tuple(
        ExtendedStatistics(
            name=QualifiedName(row["schema"], row["name"]),
            table=QualifiedName(table["schema"], table["name"]),
            definition=row["definition"],
            columns=tuple(row["columns"] or ()),
            expressions=tuple(row["expressions"] or ()),
            data=tuple(
                _combined(row, data[key], of_tree)
                for of_tree in (False, True)
                if (key := (row["schema"], row["name"], of_tree if inherited else False)) in data
                and (inherited or of_tree == (table["kind"] == "p"))
            ),
        )
        for row in ask(_objects(version_num))
        if (table := tables.get(row["relation"])) is not None and row["definition"] is not None
    )


def _objects(version_num: int) -> str:
    known = version_num >= _EXPRESSIONS_SINCE
    expressions = "pg_get_statisticsobjdef_expressions(s.oid)" if known else "NULL::text[]"
    return f"""
SELECT n.nspname AS schema, s.stxname AS name, s.stxrelid::bigint AS relation,
       pg_get_statisticsobjdef(s.oid) AS definition, {expressions} AS expressions,
       (SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = s.stxrelid AND a.attnum = ANY (s.stxkeys::int2[])) AS columns
FROM pg_catalog.pg_statistic_ext s JOIN pg_catalog.pg_namespace n ON n.oid = s.stxnamespace
ORDER BY n.nspname, s.stxname"""


def _data(ask: Ask, version_num: int) -> dict[_DataKey, tuple[Row, dict[str, ColumnStatistics]]]:
    """The row of `pg_stats_ext` and the statistics by expression; an object that ANALYZE has not seen is left out."""
    inherited = "s.inherited" if version_num >= _INHERITED_SINCE else "false"
    place = f"s.statistics_schemaname AS schema, s.statistics_name AS name, {inherited} AS inherited"
    expressions: dict[_DataKey, dict[str, ColumnStatistics]] = defaultdict(dict)
    if version_num >= _EXPRESSIONS_SINCE:
        for row in ask(f"SELECT {place}, s.expr, {SLOTS} FROM pg_catalog.pg_stats_ext_exprs s"):
            if row["null_fraction"] is not None:
                expressions[_key(row)][row["expr"]] = column_statistics(row)
    rows = ask(f"""
SELECT {place}, s.n_distinct::text AS "distinct", s.dependencies::text AS dependencies, s.most_common_vals AS values,
       s.most_common_freqs AS frequencies, s.most_common_base_freqs AS base_frequencies
FROM pg_catalog.pg_stats_ext s""")
    found = ("distinct", "dependencies", "values")
    return {
        _key(row): (row, expressions.get(_key(row), {}))
        for row in rows
        if _key(row) in expressions or any(row[name] is not None for name in found)
    }


def _key(row: Row) -> _DataKey:
    return row["schema"], row["name"], row["inherited"]


def _combined(described: Row, found: tuple[Row, Mapping[str, ColumnStatistics]], inherited: bool) -> CombinedStatistics:
    row, expressions = found
    items = zip(row["values"] or (), row["frequencies"] or (), row["base_frequencies"] or (), strict=True)
    return CombinedStatistics(
        inherited=inherited,
        distinct=row["distinct"],
        dependencies=row["dependencies"],
        most_common=tuple(
            CommonCombination(values=tuple(values), frequency=frequency, base_frequency=base)
            for values, frequency, base in items
        ),
        expressions=tuple(expressions.get(text) for text in described["expressions"] or ()),
    )
