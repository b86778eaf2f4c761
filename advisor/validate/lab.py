"""The bench a run's advice is tried on: one throwaway server, the schema on it, and rows like production's."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import psycopg

from advisor.model.catalog import Catalog
from advisor.model.names import QualifiedName
from advisor.model.profile import ColumnProfile, DataProfile
from advisor.sandbox.load import load_schema
from advisor.sandbox.rebuild import rebuild
from advisor.sandbox.server import Sandbox
from advisor.sandbox.synthesise import adversarial, fill
from advisor.sql.quote import quote_identifier

SMALL_VARIANTS = 2
"""Small data sets: one of NULLs, duplicates, ties and boundary values, and one that is sparse."""

ROW_BUDGET = 1_000_000
"""Rows synthesised over all tables: enough for a sequential scan to lose clearly, few enough to be made in seconds."""

FACTS_ROW_BUDGET = 50_000
"""Where nothing is timed: locks, rewrites and scans are the same on few rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """A filled database on a throwaway server.

    Attributes:
        schema: what the database is built from: a schema file, else the catalog itself.
        rows: really put in, by table.
        warnings: what of the schema could not be built, and of its rows not be made.
    """

    sandbox: Sandbox
    database: str
    catalog: Catalog
    profile: DataProfile
    schema: Path | None
    rows: Mapping[QualifiedName, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def connect(self, database: str | None = None) -> psycopg.Connection:
        """A connection of the unprivileged login to the filled database (or a named one), in autocommit mode.

        Names and moments mean what they mean to the catalog's own sessions.
        """
        connection = self.sandbox.connect(database or self.database)
        connection.autocommit = True
        path = ", ".join(map(quote_identifier, self.catalog.search_path))
        connection.execute("SELECT set_config('search_path', %s, false)", [path])
        if "TimeZone" in self.catalog.settings:
            connection.execute("SELECT set_config('TimeZone', %s, false)", [self.catalog.settings["TimeZone"]])
        return connection


Boundaries = Mapping[tuple[QualifiedName, str], Collection[str]]
"""Values, by table and column, at which a rewrite and its original would part if they ever did."""


@contextmanager
def datasets(lab: Lab, boundaries: Boundaries | None = None) -> Iterator[Sequence[psycopg.Connection]]:
    """Connections to the data on which results are compared: the lab's own rows, then `SMALL_VARIANTS` small ones.

    The small databases have the same schema and few, awkward rows, the `boundaries` and their neighbours among them;
    they are dropped at the end.
    """
    profile = _sharpened(lab.profile, boundaries or {})
    with ExitStack() as stack:
        connections = [stack.enter_context(lab.connect())]
        for variant in range(SMALL_VARIANTS):
            name = f"{lab.database}_small_{variant}"
            lab.sandbox.create_database(name)
            stack.callback(lab.sandbox.drop_database, name)
            build_schema(lab.sandbox, name, lab.catalog, lab.schema)
            with lab.sandbox.connect(name) as owner:
                owner.autocommit = True
                adversarial(owner, lab.catalog, profile, variant=variant)
            connections.append(stack.enter_context(lab.connect(name)))
        yield connections


def _sharpened(profile: DataProfile, boundaries: Boundaries) -> DataProfile:
    """The profile with the boundaries among the constants that must occur."""
    sharpened = dict(profile)
    for (name, column), values in boundaries.items():
        table = sharpened.get(name)
        if table is not None:
            known = table.columns.get(column, ColumnProfile())
            seen = tuple(dict.fromkeys((*values, *known.seen)))
            sharpened[name] = replace(table, columns={**table.columns, column: replace(known, seen=seen)})
    return sharpened


def open_lab(
    sandbox: Sandbox,
    catalog: Catalog,
    profile: DataProfile,
    *,
    schema: Path | None = None,
    database: str = "lab",
    row_budget: int = ROW_BUDGET,
) -> Lab:
    """Builds the schema in a database of its own and fills it; the caller closes the sandbox."""
    sandbox.create_database(database)
    warnings = list(build_schema(sandbox, database, catalog, schema))
    # Over the unprivileged login: CHECKs and index expressions are code of the schema's.
    with sandbox.connect(database) as owner:
        owner.autocommit = True
        rows = fill(owner, catalog, profile, row_budget=row_budget, warn=warnings.append)
    return Lab(
        sandbox=sandbox,
        database=database,
        catalog=catalog,
        profile=profile,
        schema=schema,
        rows=rows,
        warnings=tuple(dict.fromkeys(warnings)),
    )


def scale_notice(lab: Lab) -> str | None:
    """What share of the believed rows the lab holds, as a sentence; None where it holds all of them."""
    believed = sum(table.rows for name, table in lab.profile.items() if name in lab.rows)
    held = sum(lab.rows.values())
    if held >= believed * 0.99:
        return None
    return f"Times and blocks were measured on {held:,} of about {believed:,} rows: production's numbers are larger."


def build_schema(sandbox: Sandbox, database: str, catalog: Catalog, schema: Path | None) -> tuple[str, ...]:
    """Builds the empty schema, from the user's file or from the catalog; what failed is named, not fatal."""
    if schema is None:
        return rebuild(sandbox, database, catalog)
    return load_schema(sandbox, schema, database=database)
