"""Relations that no throwaway PostgreSQL could stand in for: other storage engines, a hosting provider's own."""

from collections.abc import Callable, Mapping

from advisor.catalog.rows import Row

_PROVIDERS_ROLES = {
    *("rdsadmin", "cloudsqladmin", "alloydbadmin", "azuresu", "azure_superuser", "cloud_admin"),
    *("supabase_auth_admin", "supabase_storage_admin", "supabase_realtime_admin"),
}
"""Roles that Amazon, Google, Microsoft, Neon and Supabase make for themselves; their schemas have everyday names."""

_EXTENSIONS_SCHEMAS = ("_timescaledb_", "citus_internal", "columnar_internal")
"""Beginnings of schemas in which an extension makes relations at run time, which so do not belong to it."""


def why_foreign(row: Row) -> str | None:
    """Why a relation (a row of `queries.RELATIONS`) is left out; None for one that stays."""
    return next((reason for reason, holds in _REASONS.items() if holds(row)), None)


_REASONS: Mapping[str, Callable[[Row], bool]] = {
    "the hosting provider's own": lambda row: row["owner"] in _PROVIDERS_ROLES,
    "an extension's own": lambda row: row["schema"].startswith(_EXTENSIONS_SCHEMAS),
    "stored by another access method than heap": lambda row: (
        row["kind"] in ("r", "m") and row["access_method"] not in (None, "heap")
    ),
}
