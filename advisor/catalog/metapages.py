"""Heights of btrees and counts of GIN indexes, where the extension pageinspect is installed and the role may use it.

Its functions refuse everybody but superusers (contrib/pageinspect), so mostly there is nothing to be had.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from advisor.catalog.rows import Oid, Row, ask
from advisor.model.catalog import GinMetapage

# Functions that belong to the extension, not ones that somebody put beside them.
_PAGEINSPECT = """
SELECT DISTINCT quote_ident(n.nspname) AS schema FROM pg_catalog.pg_extension e
JOIN pg_catalog.pg_depend d ON d.refobjid = e.oid AND d.refclassid = 'pg_catalog.pg_extension'::regclass
     AND d.classid = 'pg_catalog.pg_proc'::regclass AND d.deptype = 'e'
JOIN pg_catalog.pg_proc p ON p.oid = d.objid AND p.proname = 'bt_metap'
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE e.extname = 'pageinspect' AND current_setting('is_superuser') = 'on'"""

# The planner takes the height from the fast root (`_bt_getrootheight` in access/nbtree/nbtpage.c).
_HEIGHTS = """
SELECT i.oid::bigint AS oid, m.fastlevel::int AS height FROM unnest(%(oids)s::oid[]) AS i(oid)
CROSS JOIN LATERAL {schema}.bt_metap(i.oid::regclass::text) m"""

_GIN = """
SELECT i.oid::bigint AS oid, m.n_pending_pages, m.n_total_pages, m.n_entry_pages, m.n_data_pages, m.n_entries
FROM unnest(%(oids)s::oid[]) AS i(oid)
CROSS JOIN LATERAL {schema}.gin_metapage_info({schema}.get_raw_page(i.oid::regclass::text, 0)) m"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metapages:
    """What the metapages say, by the index's oid."""

    heights: Mapping[Oid, int] = field(default_factory=dict)
    gin: Mapping[Oid, GinMetapage] = field(default_factory=dict)


def read_metapages(connection: psycopg.Connection[Any], indexes: Sequence[Row], skipped: Sequence[Oid]) -> Metapages:
    """All or nothing. `indexes` are rows of the index query; `skipped` are locked or have no file to read here."""
    schemas = ask(connection, _PAGEINSPECT)
    if not schemas:
        return Metapages()
    left_out = set(skipped)
    files = [row for row in indexes if row["kind"] == "i" and row["oid"] not in left_out]
    oids = {method: [row["oid"] for row in files if row["method"] == method] for method in ("btree", "gin")}
    schema = schemas[0]["schema"].replace("%", "%%")
    try:
        # Rolled back, so that the locks on all the indexes are not held to the end of the transaction.
        with connection.transaction(force_rollback=True):
            heights = ask(connection, _HEIGHTS.format(schema=schema), {"oids": oids["btree"]})
            gin = ask(connection, _GIN.format(schema=schema), {"oids": oids["gin"]})
    except psycopg.Error:
        if connection.closed:
            raise
        return Metapages()
    return Metapages(heights={row["oid"]: row["height"] for row in heights}, gin={row["oid"]: _gin(row) for row in gin})


def _gin(row: Row) -> GinMetapage:
    return GinMetapage(
        pending_pages=row["n_pending_pages"],
        total_pages=row["n_total_pages"],
        entry_pages=row["n_entry_pages"],
        data_pages=row["n_data_pages"],
        entries=row["n_entries"],
    )
