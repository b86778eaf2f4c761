"""The public face: composes the stages.

`analyze` judges a workload, `check` judges migrations, `digest` and `merge` keep workloads, `snapshot` keeps a
database's catalog, `twin` opens its planner.
"""

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace

from advisor.catalog.connect import connect
from advisor.catalog.end_points import end_points
from advisor.catalog.privileges import read_privileges
from advisor.catalog.read import read_catalog
from advisor.catalog.shareable import shareable
from advisor.catalog.snapshot import is_snapshot, read_snapshot
from advisor.engine.profile import believe
from advisor.engine.registry import load_rules, select_rules
from advisor.engine.rule import Rule
from advisor.engine.run import RuleRun, run_rules
from advisor.engine.usages import usages_of
from advisor.errors import UsageError
from advisor.migrations.files import MigrationFile
from advisor.migrations.gate import GateResult, run_gate
from advisor.migrations.read import read_migrations
from advisor.model.catalog import Catalog
from advisor.model.digest_file import DigestFile
from advisor.model.evidence import Evidence
from advisor.model.options import Options, Progress
from advisor.model.report import Diagnostic, Report
from advisor.model.snapshot import Snapshot, ValuesMode
from advisor.model.workload import Workload
from advisor.sandbox.gone import server_expected
from advisor.sandbox.twin.open import Twin, open_twin, protect
from advisor.sources.pg_stat_statements import Availability
from advisor.sources.pg_stat_statements import read as read_statistics
from advisor.sql.quote import quote_identifier
from advisor.validate.lab import FACTS_ROW_BUDGET, ROW_BUDGET
from advisor.validate.publish import publish
from advisor.validate.reported import input_plans, limited, relevant, twin_plans
from advisor.validate.second_opinion import twin_opinions
from advisor.validate.state import RunState
from advisor.validate.statements import runnables
from advisor.validate.target import Target
from advisor.validate.trial import try_findings
from advisor.validate.workload import workload_of_database, workload_of_files, workload_of_snapshot
from advisor.version import version
from advisor.workload.keep import digest_of, merge_of

URL_SCHEMES = ("postgresql://", "postgres://", "postgresql+")


class Interrupted(BaseException):
    """The run was stopped by Ctrl-C or SIGTERM; `report` has what was understood by then, marked incomplete."""

    def __init__(self, report: Report) -> None:
        super().__init__("the run was stopped")
        self.report = report


def analyze(
    inputs: Sequence[str] = (),
    *,
    dsn: str | None = None,
    schema: str | None = None,
    snapshot: str | None = None,
    options: Options = Options(),  # noqa: B008 - an immutable value
    progress: Progress = lambda _what, _done, _total: None,
) -> Report:
    """Judges a workload and tries its advice on a throwaway server.

    Args:
        inputs: logs, EXPLAIN output, `.sql` files, folders, `-`; a URL among them is the `dsn`, a snapshot's file the
            `snapshot`.
        dsn: the database whose catalog (and, without inputs, whose `pg_stat_statements`) is read.
        schema: a file of SQL that creates the schema.
        snapshot: a file of `advisor snapshot`, which stands for the database.

    Raises:
        AdvisorError: the job cannot be done; see `advisor.errors`.
        Interrupted: on KeyboardInterrupt.
    """
    files, dsn, snapshot = _split_inputs(inputs, dsn, snapshot)
    if not files and dsn is None and snapshot is None:
        raise UsageError("nothing to analyze", hint="Give a log, a plan, a .sql file, a snapshot, or a database's URL.")
    _refuse_two_catalogs(dsn, schema, snapshot)
    rules = _rules(options, wanting_migrations=False)
    state = RunState(command="analyze")
    try:
        with server_expected(), ExitStack() as stack:
            target = _target(stack, options, dsn, schema, snapshot)
            return _analyze(state, target, files, rules, options, progress)
    except KeyboardInterrupt as stop:
        raise Interrupted(state.report(complete=False)) from stop


def check(
    migrations: Sequence[str],
    *,
    dsn: str | None = None,
    schema: str | None = None,
    snapshot: str | None = None,
    workload: Sequence[str] = (),
    options: Options = Options(),  # noqa: B008 - an immutable value
    progress: Progress = lambda _what, _done, _total: None,
) -> Report:
    """Runs migrations on a throwaway server and judges what they do to a running database and its workload.

    Raises:
        AdvisorError: the job cannot be done; see `advisor.errors`.
        Interrupted: on KeyboardInterrupt.
    """
    _refuse_two_catalogs(dsn, schema, snapshot)
    rules = _rules(options, wanting_migrations=True)
    state = RunState(command="check")
    try:
        with server_expected(), ExitStack() as stack:
            target = _target(stack, options, dsn, schema, snapshot)
            return _check(state, target, migrations, workload, rules, options, progress)
    except KeyboardInterrupt as stop:
        raise Interrupted(state.report(complete=False)) from stop


@contextmanager
def twin(
    *,
    dsn: str | None = None,
    snapshot: str | None = None,
    probes: bool = True,
    options: Options = Options(),  # noqa: B008 - an immutable value
    progress: Progress = lambda _what, _done, _total: None,
) -> Iterator[tuple[Twin, tuple[Diagnostic, ...]]]:
    """The planner twin of a database or snapshot, as long as the context lasts, and what to know about it.

    Args:
        probes: ask a database's indexes for the least and the greatest value of their leading column.

    Raises:
        AdvisorError: the database, the snapshot or a server with reachable files is not to be had.
    """
    if dsn is None and snapshot is None:
        raise UsageError("nothing to make a twin of", hint="Give --snapshot FILE or --dsn URL.")
    _refuse_two_catalogs(dsn, None, snapshot)
    state = RunState(command="analyze")
    with server_expected(), ExitStack() as stack:
        target = _target(stack, options, dsn, None, snapshot)
        progress("Reading the catalog", 0, 1)
        catalog = target.catalog(state, Workload(), ends=probes)
        assert catalog is not None
        progress("Preparing a throwaway PostgreSQL", 0, 1)
        sandbox = target.sandbox(catalog)
        opened = open_twin(sandbox, catalog)
        protect(opened)
        state.diagnose("warning", (*catalog.warnings, *opened.warnings, *([sandbox.notice] if sandbox.notice else ())))
        yield opened, state.report().diagnostics


def snapshot(
    dsn: str,
    *,
    values: ValuesMode = "default",
    probes: bool = True,
    workload: bool = True,
    warn: Callable[[str], None] = lambda _note: None,
    progress: Progress = lambda _what, _done, _total: None,
) -> Snapshot:
    """Reads what a planner twin needs of a database, in one read-only transaction.

    Args:
        values: which sampled values it holds.
        probes: ask for the least and the greatest value of leading index columns, each with a short timeout.
        workload: keep `pg_stat_statements`, where it can be read.
        warn: called with a sentence for what could not be had.

    Raises:
        ConnectionFailed: the database does not answer, refuses, or goes away.
    """
    with closing(connect(dsn)) as connection:
        progress("Reading the catalog", 0, 1)
        catalog = read_catalog(connection)
        if probes and values != "redacted":
            progress("Asking indexes for their ends", 0, 1)
            catalog = end_points(connection, catalog)
        privileges = read_privileges(connection)
        role = connection.info.user
        available = Availability()
        statements = tuple(read_statistics(connection, available)) if workload else ()
    reasons = [available.reason] if available.reason else []
    for note in (*catalog.warnings, *available.notes, *reasons):
        warn(note)
    whole = Snapshot(
        taken_us=time.time_ns() // 1000,
        tool_version=version(),
        values=values,
        key=secrets.token_hex(16) if values == "default" else None,
        catalog=catalog,
        statements=statements if workload and not reasons else None,
        privileges=privileges,
        role=role,
    )
    kept = shareable(whole)
    if (left_out := len(whole.statements or ()) - len(kept.statements or ())) > 0:
        warn(f"{left_out} texts of pg_stat_statements are left out: utility statements, and what does not parse.")
    return kept


def digest(
    inputs: Sequence[str],
    *,
    into: str | None = None,
    fresh: bool = False,
    redact: bool = False,
    options: Options = Options(),  # noqa: B008 - an immutable value
    progress: Progress = lambda _what, _done, _total: None,
) -> DigestFile:
    """Digests logs, plans, `.sql` files and other digests; its `data` is to be written to a file, an input like a log.

    Args:
        into: the file that is to be written. Where it is a digest of the same logs, only what is new is read.
        fresh: the file is made anew.
        redact: keep no literals.

    Raises:
        UsageError: `into` is there and is no digest, or is one of other logs.
        InputError: an input cannot be read, or less than `options.min_coverage` of it was understood.
    """

    def shown(done: int, total: int) -> None:
        progress("Reading", done, total)

    return digest_of(inputs, options, into=into, fresh=fresh, redact=redact, progress=shown)


def merge(
    inputs: Sequence[str],
    *,
    redact: bool = False,
    progress: Progress = lambda _what, _done, _total: None,
) -> DigestFile:
    """Adds digests up, in any order. Raises InputError for what cannot be read or is no digest."""
    return merge_of(inputs, redact=redact, progress=lambda done, total: progress("Reading", done, total))


def _analyze(
    state: RunState,
    target: Target,
    files: Sequence[str],
    rules: Sequence[Rule],
    options: Options,
    progress: Progress,
) -> Report:
    deadline = _deadline(options)
    workload = workload_of_files(state, files, options, progress)
    catalog = target.catalog(state, workload)
    if not files and target.dsn is not None:
        workload = workload_of_database(state, target.dsn, options)
    elif not files and target.snapshot is not None:
        workload = workload_of_snapshot(state, target.snapshot, options)
    state.add(workload=workload)
    evidence, ran = _judge(state, workload, catalog, rules, options)
    progress("Preparing a throwaway PostgreSQL", 0, 1)
    opinions = twin_opinions(target, state, evidence, deadline=deadline)
    if opinions is not None:
        state.add(plans=(*input_plans(workload), *twin_plans(opinions, len(workload.plans))))
    wanted = any(finding.remedies for finding in ran.findings)
    lab = target.lab(state, evidence) if wanted else None
    trials = try_findings(lab, ran.findings, evidence, opinions=opinions, deadline=deadline, progress=progress)
    published = publish(ran.findings, trials.recommendations)
    state.add(
        findings=limited(published.findings, options),
        recommendations=published.recommendations,
        selection=trials.selection,
    )
    return state.report()


def _judge(
    state: RunState, workload: Workload, catalog: Catalog | None, rules: Sequence[Rule], options: Options
) -> tuple[Evidence, RuleRun]:
    evidence, assumptions = _evidence(workload, catalog, options)
    ran = run_rules(rules, evidence)
    state.add(
        plans=input_plans(workload),
        findings=ran.findings,
        rules_run=ran.rules_run,
        rules_skipped=ran.rules_skipped,
        assumptions=relevant(assumptions, ran.findings),
    )
    state.diagnose("error", [d.message for d in ran.diagnostics])
    state.diagnose("warning", catalog.warnings if catalog else ())
    return evidence, ran


def _evidence(workload: Workload, catalog: Catalog | None, options: Options) -> tuple[Evidence, tuple[str, ...]]:
    """What the rules judge, and what was assumed of it."""
    usages = usages_of(workload, catalog)
    profile, assumptions = believe(catalog, workload, usages, options.table_rows) if catalog else ({}, ())
    return Evidence(workload=workload, catalog=catalog, usages=usages, profile=profile), tuple(assumptions)


def _check(
    state: RunState,
    target: Target,
    migrations: Sequence[str],
    inputs: Sequence[str],
    rules: Sequence[Rule],
    options: Options,
    progress: Progress,
) -> Report:
    if options.sandbox == "off":
        raise UsageError("migrations are judged by running them", hint="Drop --sandbox off.")
    files = read_migrations(migrations)
    workload = workload_of_files(state, inputs, options, progress)
    state.add(workload=workload)
    catalog = target.catalog(state, workload) or target.empty_catalog()
    evidence, assumptions = _evidence(workload, catalog, options)
    gate = _run_gate(state, target, files, evidence, progress)
    evidence = replace(evidence, migrations=gate.migrations, catalog_after=gate.catalog_after)
    ran = run_rules(rules, evidence)
    trials = try_findings(None, ran.findings, evidence)
    published = publish(ran.findings, trials.recommendations)
    state.add(
        migrations=gate.migrations,
        findings=published.findings,
        recommendations=published.recommendations,
        rules_run=ran.rules_run,
        rules_skipped=ran.rules_skipped,
        assumptions=relevant(assumptions, published.findings),
    )
    state.diagnose("error", [d.message for d in ran.diagnostics])
    return state.report()


def _run_gate(
    state: RunState, target: Target, files: Sequence[MigrationFile], evidence: Evidence, progress: Progress
) -> GateResult:
    """Runs the migrations on a throwaway server, and the workload's queries before and after each."""
    progress("Preparing a throwaway PostgreSQL", 0, 1)
    lab = target.lab(state, evidence, ROW_BUDGET if evidence.workload.queries else FACTS_ROW_BUDGET)
    assert lab is not None
    with lab.connect() as connection:
        queries = runnables(evidence.workload.queries, evidence.usages, connection).values()
    numbered = {file.file: number for number, file in enumerate(files)}
    return run_gate(
        lab.sandbox,
        lab.database,
        files,
        [(query.query_id, query.statements[0], query.weight) for query in queries if query.statements],
        missing=lab.warnings,
        settings=_session_settings(lab.catalog) if target.is_server else None,
        on_file=lambda file: progress("Running migrations", numbered[file.file], len(files)),
    )


def _split_inputs(
    inputs: Sequence[str], dsn: str | None, snapshot: str | None
) -> tuple[list[str], str | None, str | None]:
    """The files among the inputs, the database's URL and the snapshot's file."""
    urls = [text for text in inputs if text.startswith(URL_SCHEMES)]
    kept = [text for text in inputs if text not in urls and is_snapshot(text)]
    files = [text for text in inputs if text not in urls and text not in kept]
    if len(urls) + (dsn is not None) > 1:
        raise UsageError("more than one database was given", hint="Give one URL, as INPUT or as --dsn.")
    if len(kept) + (snapshot is not None) > 1:
        raise UsageError("more than one snapshot was given", hint="Give one, as INPUT or as --snapshot.")
    return files, urls[0] if urls else dsn, kept[0] if kept else snapshot


def _refuse_two_catalogs(dsn: str | None, schema: str | None, snapshot: str | None) -> None:
    given = [
        flag for flag, value in (("--dsn", dsn), ("--schema", schema), ("--snapshot", snapshot)) if value is not None
    ]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} exclude each other", why="each of them says what the schema is")


def _target(stack: ExitStack, options: Options, dsn: str | None, schema: str | None, snapshot: str | None) -> Target:
    read = read_snapshot(snapshot) if snapshot is not None else None
    return Target(stack, options, dsn=dsn, schema=schema, snapshot=read)


def _rules(options: Options, *, wanting_migrations: bool) -> tuple[Rule, ...]:
    """The selected rules of the command: those over migrations belong to `check`, all others to `analyze`."""
    every = load_rules()
    chosen = select_rules(every, options.select, options.ignore)
    return tuple(rule for rule in chosen if ("migrations" in rule.needs) == wanting_migrations)


def _session_settings(catalog: Catalog) -> dict[str, str]:
    """The settings of the target that decide what a migration rewrites and which names it means."""
    zone = {"TimeZone": catalog.settings["TimeZone"]} if "TimeZone" in catalog.settings else {}
    return zone | {"search_path": ", ".join(quote_identifier(schema) for schema in catalog.search_path)}


def _deadline(options: Options) -> float | None:
    return None if options.time_limit_s is None else time.monotonic() + options.time_limit_s
