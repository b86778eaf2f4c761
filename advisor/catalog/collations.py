"""The collations in use, and the database's own."""

from advisor.catalog.rows import Ask, Row
from advisor.model.catalog import Collation
from advisor.model.names import QualifiedName

_SAME_EVERYWHERE = ("default", "C", "POSIX", "ucs_basic")
"""Of pg_catalog: in every version and build, with one meaning (`default` is the database's own)."""


def read_collations(ask: Ask, version_num: int) -> tuple[Collation, ...]:
    """Those of the columns, index keys, domains and ranges outside the system's schemas, by name."""
    rows = ask(
        f"""
WITH used AS (
    SELECT a.attcollation AS oid FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND NOT a.attisdropped
    UNION SELECT t.typcollation FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
    WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
    UNION SELECT r.rngcollation FROM pg_catalog.pg_range r
)
SELECT n.nspname AS schema, o.collname AS name, o.collprovider::text AS provider,
       {_locale("o.coll", version_num)} AS locale, o.collisdeterministic AS deterministic
FROM pg_catalog.pg_collation o JOIN pg_catalog.pg_namespace n ON n.oid = o.collnamespace
WHERE o.oid IN (SELECT oid FROM used) AND (n.nspname <> 'pg_catalog' OR o.collname <> ALL (%(same)s))
ORDER BY n.nspname, o.collname""",
        {"same": list(_SAME_EVERYWHERE)},
    )
    return tuple(_collation(row) for row in rows)


def default_collation(ask: Ask, version_num: int) -> Collation:
    """The database's own. Before PostgreSQL 15 its provider is always libc."""
    provider = "d.datlocprovider::text" if version_num >= 150000 else "'c'"
    (row,) = ask(f"""
SELECT 'pg_catalog' AS schema, 'default' AS name, {provider} AS provider, {_locale("d.dat", version_num)} AS locale,
       true AS deterministic
FROM pg_catalog.pg_database d WHERE d.datname = current_database()""")
    return _collation(row)


def _locale(prefix: str, version_num: int) -> str:
    """The column that holds the locale: it has had three names."""
    if version_num >= 170000:
        return f"coalesce({prefix}locale, {prefix}collate::text, '')"
    if version_num >= 150000:
        return f"coalesce({prefix}iculocale, {prefix}collate::text, '')"
    return f"coalesce({prefix}collate::text, '')"


def _collation(row: Row) -> Collation:
    return Collation(
        name=QualifiedName(row["schema"], row["name"]),
        provider=row["provider"],
        locale=row["locale"],
        deterministic=row["deterministic"],
    )
