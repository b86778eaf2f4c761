"""The workload of a run: of its files, of a database's `pg_stat_statements`, or of what a snapshot kept of these."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace

from advisor.catalog.connect import connect
from advisor.model.options import Options, Progress
from advisor.model.snapshot import Snapshot
from advisor.model.workload import Workload
from advisor.sources.pg_stat_statements import Availability, read
from advisor.validate.state import RunState
from advisor.workload.floor import refuse_little
from advisor.workload.read import add_statistics, read_workload


def workload_of_files(state: RunState, files: Sequence[str], options: Options, progress: Progress) -> Workload:
    """The workload of the files.

    Raises:
        InputError: less of it than `--min-coverage` was understood.
    """
    if not files:
        return Workload()
    workload = read_workload(files, options, lambda done, total: progress("Reading", done, total), state.digest)
    refuse_little(workload.coverage, options.min_coverage)
    return _filtered(workload, options)


def workload_of_database(state: RunState, dsn: str, options: Options) -> Workload:
    """The workload in the database's `pg_stat_statements`; empty, and says why, where that cannot be read."""
    available = Availability()
    with closing(connect(dsn)) as connection:
        rows = list(read(connection, available))
        if available.reason is None:
            add_statistics(state.digest, rows, connection.info.dbname)
    notes = [*available.notes]
    if available.reason is not None:
        hint = "Give a log as INPUT to judge queries; only the catalog was read."
        notes.append(f"{available.reason} {hint}")
    state.diagnose("warning", notes)
    return _filtered(state.digest.freeze(), options)


def workload_of_snapshot(state: RunState, kept: Snapshot, options: Options) -> Workload:
    """The workload in a snapshot; empty, and says why, where it has none."""
    if kept.statements is None:
        note = "The snapshot holds no workload of pg_stat_statements. Give a log as INPUT to judge queries."
        state.diagnose("warning", [note])
        return Workload()
    add_statistics(state.digest, kept.statements, kept.catalog.database)
    return _filtered(state.digest.freeze(), options)


def _filtered(workload: Workload, options: Options) -> Workload:
    """Without the queries that `--min-calls` and `--min-time` leave out."""
    if not options.min_calls and not options.min_time_ms:
        return workload
    kept = tuple(
        query
        for query in workload.queries
        if query.calls >= options.min_calls and query.total_us >= options.min_time_ms * 1000
    )
    ids = {query.id for query in kept}
    return replace(
        workload,
        queries=kept,
        plans=tuple(plan for plan in workload.plans if plan.query_id is None or plan.query_id in ids),
        repetitions=tuple(r for r in workload.repetitions if r.query_id in ids),
    )
