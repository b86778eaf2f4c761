"""Statistics objects (`CREATE STATISTICS`) and what ANALYZE found for them.

Everybody sees the objects. Their data can be read from `pg_statistic_ext_data` by members of pg_read_all_data and by
superusers; `pg_stats_ext` and `pg_stats_ext_exprs` show them to members of the table's owner.
"""

from collections import defaultdict
from collections.abc import Mapping

from advisor.catalog.rows import Ask, Oid, Row
from advisor.catalog.statistics import SLOTS, column_statistics, slot
from advisor.model.catalog import ColumnStatistics, CombinedStatistics, CommonCombination, ExtendedStatistics
from advisor.model.names import QualifiedName

_EXPRESSIONS_SINCE = 140000
_INHERITED_SINCE = 150000
"""`pg_stats_ext.inherited`; before, a partitioned table's are the tree's and any other table's are its own."""

_DataKey = tuple[str, str, bool]
"""Schema and name of the object, whether of the table with its descendants."""


# These two are as the views that stand in their place (backend/catalog/system_views.sql), but for the ownership.
_COMBINED_FROM_TABLES = """(
    SELECT n.nspname AS statistics_schemaname, e.stxname AS statistics_name, {inherited} AS inherited,
           d.stxdndistinct AS n_distinct, d.stxddependencies AS dependencies, m.*
    FROM pg_catalog.pg_statistic_ext e JOIN pg_catalog.pg_statistic_ext_data d ON d.stxoid = e.oid
    JOIN pg_catalog.pg_class c ON c.oid = e.stxrelid JOIN pg_catalog.pg_namespace n ON n.oid = e.stxnamespace
    LEFT JOIN LATERAL (
        SELECT array_agg("values") AS most_common_vals, array_agg(frequency) AS most_common_freqs,
               array_agg(base_frequency) AS most_common_base_freqs FROM pg_mcv_list_items(d.stxdmcv)
    ) m ON d.stxdmcv IS NOT NULL
    WHERE NOT (c.relrowsecurity AND row_security_active(c.oid)))"""
_EXPRESSIONS_FROM_TABLES = f"""(
    SELECT n.nspname AS statistics_schemaname, e.stxname AS statistics_name, {{inherited}} AS inherited, x.expr,
           (x.a).stanullfrac AS null_frac, (x.a).stawidth AS avg_width, (x.a).stadistinct AS n_distinct,
           {slot(1, "stavalues{n}", "(x.a)")} AS most_common_vals,
           {slot(1, "stanumbers{n}", "(x.a)")} AS most_common_freqs,
           {slot(2, "stavalues{n}", "(x.a)")} AS histogram_bounds,
           {slot(3, "stanumbers{n}[1]", "(x.a)")} AS correlation,
           {slot(4, "stavalues{n}", "(x.a)")} AS most_common_elems,
           {slot(4, "stanumbers{n}", "(x.a)")} AS most_common_elem_freqs,
           {slot(5, "stanumbers{n}", "(x.a)")} AS elem_count_histogram
    FROM pg_catalog.pg_statistic_ext e JOIN pg_catalog.pg_statistic_ext_data d ON d.stxoid = e.oid
    JOIN pg_catalog.pg_class c ON c.oid = e.stxrelid JOIN pg_catalog.pg_namespace n ON n.oid = e.stxnamespace
    JOIN LATERAL (SELECT unnest(pg_get_statisticsobjdef_expressions(e.oid)) AS expr, unnest(d.stxdexpr) AS a) x
         ON x.expr IS NOT NULL
    WHERE NOT (c.relrowsecurity AND row_security_active(c.oid)))"""


def read_extended_statistics(ask: Ask, server: Row, tables: Mapping[Oid, Row]) -> tuple[ExtendedStatistics, ...]:
    """The statistics objects of these tables (rows of `queries.RELATIONS` by oid), by name.

    `server` is the row of `queries.SERVER`.
    """
    version_num = server["version_num"]
    data = _data(ask, version_num, from_tables=server["may_read_statistic_ext_data"])
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


def _data(ask: Ask, version_num: int, *, from_tables: bool) -> dict[_DataKey, tuple[Row, dict[str, ColumnStatistics]]]:
    """The row of `pg_stats_ext` and the statistics by expression; an object that ANALYZE has not seen is left out."""
    known = version_num >= _INHERITED_SINCE
    combined, single = "pg_catalog.pg_stats_ext", "pg_catalog.pg_stats_ext_exprs"
    if from_tables:
        inherited = "d.stxdinherit" if known else "false"
        combined = _COMBINED_FROM_TABLES.format(inherited=inherited)
        single = _EXPRESSIONS_FROM_TABLES.format(inherited=inherited)
    inherited = "s.inherited" if known or from_tables else "false"
    place = f"s.statistics_schemaname AS schema, s.statistics_name AS name, {inherited} AS inherited"
    expressions: dict[_DataKey, dict[str, ColumnStatistics]] = defaultdict(dict)
    if version_num >= _EXPRESSIONS_SINCE:
        for row in ask(f"SELECT {place}, s.expr, {SLOTS} FROM {single} s"):
            if row["null_fraction"] is not None:
                expressions[_key(row)][row["expr"]] = column_statistics(row)
    rows = ask(f"""
SELECT {place}, s.n_distinct::text AS "distinct", s.dependencies::text AS dependencies, s.most_common_vals AS values,
       s.most_common_freqs AS frequencies, s.most_common_base_freqs AS base_frequencies
FROM {combined} s""")
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
