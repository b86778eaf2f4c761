"""The bench a run's advice is tried on: one throwaway server, the schema on it, and rows like production's."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import psycopg

from advisor.model.catalog import Catalog
from advisor.model.names import QualifiedName
from advisor.model.profile import ColumnProfile, DataProfile
from advisor.sandbox.rows.load import Warn
from advisor.sandbox.rows.synthesise import LOAD_TIMEOUT_MS, adversarial, fill
from advisor.sandbox.schema.load import load_schema
from advisor.sandbox.schema.rebuild import rebuild
from advisor.sandbox.server import Sandbox
from advisor.sandbox.watch import Watch
from advisor.sandbox.watched import Watched, reopened
from advisor.sql.quote import quote_identifier
from advisor.validate.measure import GRACE_S

Rows = Mapping[QualifiedName, int]

TABLE_LIMIT_S = LOAD_TIMEOUT_MS / 1000 + GRACE_S
"""For the rows of one table: its statements end by their own limit before, unless its code refuses."""

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

    def connect(self, database: str | None = None) -> Watched:
        """A connection of the unprivileged login to the filled database (or a named one), in autocommit mode.

        Names and moments mean what they mean to the catalog's own sessions.
        """
        return Watched(self.sandbox, lambda: self._session(database or self.database))

    def _session(self, database: str) -> psycopg.Connection:
        connection = self.sandbox.connect(database)
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
            make_rows(lab.sandbox, name, partial(adversarial, catalog=lab.catalog, profile=profile, variant=variant))
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
    work = partial(fill, catalog=catalog, profile=profile, row_budget=row_budget, warn=warnings.append)
    rows = make_rows(sandbox, database, work, warnings.append)
    return Lab(
        sandbox=sandbox,
        database=database,
        catalog=catalog,
        profile=profile,
        schema=schema,
        rows=rows,
        warnings=tuple(dict.fromkeys(warnings)),
    )


@dataclass(slots=True)
class _Guard:
    """The watch over each table's rows; `at` is the one last worked on, as SQL."""

    watch: Watch
    owner: psycopg.Connection
    at: str = ""

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        self.at = name
        with self.watch.statement(self.owner):
            yield


def make_rows(sandbox: Sandbox, database: str, work: Callable[..., Rows], warn: Warn = lambda _: None) -> Rows:
    """What `work` (`fill` or `adversarial`) puts into a database, by the unprivileged login, watched from outside.

    CHECKs and index expressions are code of the schema's: a table on which they end the session, or refuse to end,
    gets no rows and is named. Raises SandboxError or psycopg.Error where the server is lost.
    """
    without: list[str] = []
    with Watch(sandbox, limit_s=TABLE_LIMIT_S) as watch:
        while True:
            owner = reopened(partial(sandbox.connect, database))
            guard = _Guard(watch, owner)
            try:
                return work(owner, without=tuple(without), guard=guard)
            except psycopg.Error as error:
                if not owner.broken or not guard.at or guard.at in without:
                    raise
                without.append(guard.at)
                reason = watch.ended or " ".join(str(error).split())
                warn(f"No rows could be made for {guard.at}: its session was ended: {reason}.")
            finally:
                owner.close()


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
