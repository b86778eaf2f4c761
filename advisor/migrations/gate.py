"""The gate: migrations run one after another on a throwaway database, the workload planned around each of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace

from advisor.catalog.read import read_catalog
from advisor.migrations.files import MigrationFile
from advisor.migrations.session import Logins, open_session
from advisor.migrations.trace import FileTrace, Rows, TraceContext, start_trace, trace_file
from advisor.migrations.workload import (
    FileEffects,
    PlannedQuery,
    WorkloadQuery,
    compare_workload,
    plan_workload,
    slower,
)
from advisor.model.catalog import Catalog
from advisor.model.migration import Migration, TracedStatement


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """What the run showed.

    Attributes:
        migrations: in the order of execution, with the workload's changes after each file.
        catalog_before, catalog_after: the throwaway database's schema around the whole run.
    """

    migrations: tuple[Migration, ...] = ()
    catalog_before: Catalog
    catalog_after: Catalog


@dataclass(frozen=True, slots=True, kw_only=True)
class _Round:
    """One file: its trace, and the plans that the next file starts from."""

    trace: FileTrace
    plans: Mapping[str, PlannedQuery] = field(default_factory=dict)


def run_gate(
    logins: Logins,
    database: str,
    files: Sequence[MigrationFile],
    queries: Sequence[WorkloadQuery] = (),
    *,
    rows: Rows = "synthesised",
    missing: Sequence[str] = (),
    settings: Mapping[str, str] | None = None,
    on_file: Callable[[MigrationFile], None] | None = None,
) -> GateResult:
    """Runs the files on a database that holds the schema and its rows, analysed; the database is changed for good.

    Args:
        logins: a sandbox: `admin(database)` and `connect(database)` open sessions.
        queries: (id, text with parameters put in, weight) of the workload; empty: nothing is compared.
        rows: where the database's rows come from; only `synthesised` ones are removed when they are in the way.
        missing: what of the schema did not load, one sentence each: a later "does not exist" may follow from it.
        settings: of the migrations' sessions, `TimeZone` and `search_path` of the target where they are known.
        on_file: called before each file, for progress.

    Raises:
        psycopg.OperationalError: the throwaway server is gone.
    """
    before = _catalog(logins, database)
    context = replace(start_trace(logins, database, rows=rows, missing=missing), settings=settings or {})
    plans: Mapping[str, PlannedQuery] = _plans(context, queries)
    migrations = []
    for file in files:
        if on_file is not None:
            on_file(file)
        done = _one_file(context, file, queries, plans)
        migrations.append(done.trace.migration)
        plans = done.plans
        context = replace(context, trouble=done.trace.trouble)
    return GateResult(migrations=tuple(migrations), catalog_before=before, catalog_after=_catalog(logins, database))


def _one_file(
    context: TraceContext,
    file: MigrationFile,
    queries: Sequence[WorkloadQuery],
    before: Mapping[str, PlannedQuery],
) -> _Round:
    traced = trace_file(context, file)
    if not queries:
        return _Round(trace=traced)
    # What was measured on rows that are gone is measured again, so that the next file is compared with this one.
    known = {q: plan for q, plan in before.items() if not traced.changed & set(plan.relations)}
    after = _plans(context, queries, known)
    suspects = [query for query in queries if slower(before[query[0]], after[query[0]])]
    analyzed: Mapping[str, PlannedQuery] = {}
    if suspects:
        _analyze(context)
        analyzed = _plans(context, suspects)
    changes = compare_workload(before, after, analyzed, _effects(traced))
    trace = replace(traced, migration=replace(traced.migration, workload=changes))
    return _Round(trace=trace, plans={**after, **analyzed})


def _plans(
    context: TraceContext, queries: Sequence[WorkloadQuery], known: Mapping[str, PlannedQuery] | None = None
) -> dict[str, PlannedQuery]:
    """The queries' plans now; one whose plan is as it was `known` keeps its measurement and is not run again."""
    if not queries:
        return {}
    with open_session(context.logins, context.database, context.settings) as connection:
        if not known:
            return plan_workload(connection, queries)
        planned = plan_workload(connection, queries, execute=False)
        kept = {
            q: replace(known[q], refused=plan.refused)
            for q, plan in planned.items()
            if plan.error is None and q in known and plan.shape == known[q].shape
        }
        changed = [query for query in queries if query[0] not in kept]
        return {**planned, **kept, **plan_workload(connection, changed)}


def _analyze(context: TraceContext) -> None:
    """As the owner: ANALYZE runs the functions of expression indexes."""
    with open_session(context.logins, context.database, {}) as connection:
        connection.execute("ANALYZE")


def _effects(traced: FileTrace) -> FileEffects:
    statements = traced.migration.statements
    return FileEffects(
        dropped_indexes=frozenset(_dropped(statements)),
        shrunk=frozenset(_shrunk(statements)),
        repaired=traced.changed,
    )


def _dropped(statements: Sequence[TracedStatement]) -> Iterator[str]:
    for statement in statements:
        for index in statement.details.get("dropped_indexes", ()):
            yield index["index"].split(".", 1)[1]


def _shrunk(statements: Sequence[TracedStatement]) -> Iterator[str]:
    """Tables that lost rows, deleted or truncated."""
    for statement in statements:
        yield from statement.details.get("rows_removed", ())
        yield from map(str, statement.details.get("truncated", ()))


def _catalog(logins: Logins, database: str) -> Catalog:
    with closing(logins.admin(database)) as connection:
        connection.autocommit = False
        catalog = read_catalog(connection)
        connection.rollback()
    return catalog
