"""The report for people at a terminal: ranked cards, each with why, do and proof. Clean at 80 columns and in pipes."""

import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from rich.console import Console
from rich.text import Text

from advisor.model.advice import Finding, Measure, Recommendation, Verdict
from advisor.model.migration import Migration, TracedStatement
from advisor.model.report import Report, SandboxUse
from advisor.report.events import server_events_sentence
from advisor.report.printable import printable
from advisor.report.sql_lines import sql_lines
from advisor.report.units import bytes_text, count_text, duration_text, share_text

WIDTH = 80
"""Columns where the output is not a terminal."""

DEFAULT_TOP = 20
"""Cards shown; the JSON document has all."""

_UNKNOWN_SHOWN = 3
"""Classes of lines that were not understood; the JSON document has all."""

_COLOURS = {"error": "bold red", "warning": "bold yellow", "info": "bold blue"}
_REFUTED = frozenset({"no_gain", "not_equivalent", "regressed"})
_STATUS = {
    "proven": "proven",
    "predicted": "predicted by the planner, not run",
    "no_gain": "no gain",
    "regressed": "makes something slower",
    "not_equivalent": "returns other rows",
    "not_tested": "NOT TESTED",
}
_DEEDS = {
    "create_index": "create this index",
    "drop_index": "drop this index",
    "rewrite_query": "rewrite the query",
    "batch_queries": "ask once for all keys",
    "create_statistics": "create statistics",
    "set_parameter": "change a setting",
    "maintenance": "maintain the table",
    "application": "change the application",
    "safe_migration": "migrate in this way instead",
}
_SAFETY = {"safe": "", "review": ", after a review", "manual": ", by hand"}

_INDENT = " " * 3
_LABEL = 7
"""Columns of a label with its gap."""


def render(report: Report, *, top: int | None = None, colour: bool = False, width: int | None = None) -> str:
    """The whole report as text; with ANSI colours where `colour` is set."""
    console = Console(
        file=io.StringIO(),
        width=width or WIDTH,
        force_terminal=colour,
        no_color=not colour,
        highlight=False,
        emoji=False,
        markup=False,
        legacy_windows=False,
    )
    for line in _lines(report, DEFAULT_TOP if top is None else top, console):
        console.print(line, soft_wrap=True)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def _lines(report: Report, top: int, console: Console) -> Iterator[Text]:
    for text in _head(report):
        yield from _wrapped(text, console, hanging="  ")
    for migration in report.migrations:
        yield from _migration(migration, console)
    shown = [f for f in report.findings if f.refuted_by is None and f.suppressed is None]
    for number, finding in enumerate(shown[:top], start=1):
        yield Text()
        yield from _card(number, finding, report, console)
    if len(shown) > top:
        yield Text()
        yield _text(f"{len(shown) - top} more: --top {len(shown)} shows all of them.")
    for text in _foot(report, shown):
        yield from _wrapped(text, console, hanging="  ")


def _head(report: Report) -> Iterator[Text]:
    workload, coverage = report.workload, report.workload.coverage
    for source in workload.inputs:
        packed = f", {source.compression}" if source.compression else ""
        size = f", {bytes_text(source.bytes)}" if source.bytes else ""
        yield _text(f"{source.name}: {source.format}{packed}{size}")
        if source.detected_prefix:
            yield _text(f"  log_line_prefix = {source.detected_prefix!r}")
    if workload.queries:
        time_ms = sum(query.estimated_total_ms or 0.0 for query in workload.queries)
        spent = f", {duration_text(time_ms)} of server time" if time_ms else ""
        yield _text(
            f"{count_text(coverage.statements, 'execution')} of"
            f" {count_text(len(workload.queries), 'query', 'queries')}{spent}"
        )
    if coverage.bytes_total and coverage.bytes_classified < coverage.bytes_total:
        share = share_text(coverage.bytes_classified / coverage.bytes_total)
        yield _text(f"{share} of the input was understood.")
        yield from (
            _text(f"  {count_text(u.count, 'line')} like {u.sample}") for u in coverage.unknown[:_UNKNOWN_SHOWN]
        )
    if coverage.statements_unparsed:
        yield _text(f"{count_text(coverage.statements_unparsed, 'statement')} did not parse and could not be judged.")
    if coverage.oversized:
        yield _text(f"{count_text(coverage.oversized, 'statement')} too large to be read.")
    if (also := server_events_sentence(workload.events)) is not None:
        yield _text(also)
    for sandbox in sorted(report.sandboxes, key=lambda used: used.id):
        yield _text(_use(sandbox))
    for assumption in report.assumptions:
        yield _text(f"Assumed: {assumption}", style="dim")


def _use(sandbox: SandboxUse) -> str:
    server = f"{sandbox.provider} PostgreSQL {sandbox.server_version}"
    if sandbox.use == "twin":
        sentence = f"Planned on {sandbox.id}: a planner twin, {server}, without rows"
    else:
        sentence = f"Tried on {sandbox.id}: {server}, {sandbox.rows} rows"
    return sentence + ("" if sandbox.same_major_as_target is not False else "; the target is of another major version")


def _card(number: int, finding: Finding, report: Report, console: Console) -> Iterator[Text]:
    head = _text(f"{number}. ")
    head.append(finding.severity, style=_COLOURS[finding.severity])
    head.append_text(_text(f"  {finding.rule} {finding.name}"))
    yield head
    if finding.impact.saved_ms:
        saved = _text(f"saves about {duration_text(finding.impact.saved_ms)}", style="bold green")
        if finding.impact.total_ms:
            saved.append(f" of the {duration_text(finding.impact.total_ms)} in this input", style="default")
        yield from _wrapped(saved, console, first=_INDENT)
    yield from _wrapped(_text(finding.title, style="bold"), console, first=_INDENT)
    if finding.location is not None:
        yield from _row("where", _text(f"{finding.location.file}:{finding.location.line}"), console)
    for query in filter(None, map(report.workload.query, finding.subject.queries[:1])):
        mean = f" x {duration_text(query.mean_ms)}" if query.mean_ms is not None else ""
        yield from _row("query", _text(_shortened(query.sql)), console)
        yield from _row("", _text(f"{count_text(query.calls, 'call')}{mean}, id {query.id}", style="dim"), console)
    yield from _row("why", _text(finding.message), console)
    if finding.confidence != "high":
        yield from _row("sure?", _text(f"{finding.confidence} confidence"), console)
    for recommendation in report.recommendations:
        if finding.key in recommendation.findings and recommendation.verdict.status not in _REFUTED:
            yield from _deed(recommendation, console)
            yield from _row("proof", _proof(recommendation, finding, report), console)


def _deed(recommendation: Recommendation, console: Console) -> Iterator[Text]:
    deed = _DEEDS[recommendation.kind] + _SAFETY[recommendation.safety]
    also = " and create this index" if recommendation.rewritten_sql and recommendation.statements else ""
    yield from _row("do", _text(deed + also), console)
    rewritten = (recommendation.rewritten_sql,) if recommendation.rewritten_sql else ()
    yield from _sql((*rewritten, *recommendation.statements), console, "bold")
    for note in recommendation.notes:
        yield from _row("note", _text(note, style="dim"), console)
    if recommendation.rollback:
        yield from _row("undo", _text("with", style="dim"), console)
        yield from _sql(recommendation.rollback, console, "dim")


def _sql(statements: Iterable[str], console: Console, style: str) -> Iterator[Text]:
    """Statements on lines of their own, to be copied and pasted as they stand."""
    indent = _INDENT + " " * _LABEL
    for statement in statements:
        shown = printable(statement)
        for line in sql_lines(_ended(shown), console.width, indent):
            yield Text(line, style=style)
        if shown != statement:
            warning = "It has characters that cannot be shown here: take it from --format json."
            yield from _row("", _text(warning, style="yellow"), console)


def _ended(statement: str) -> str:
    """With its semicolon: on a line of its own where the last line may be a comment."""
    text = statement.rstrip().removesuffix(";").rstrip()
    return f"{text}\n;" if "--" in text.rpartition("\n")[2] else f"{text};"


def _proof(recommendation: Recommendation, finding: Finding, report: Report) -> Text:
    verdict = recommendation.verdict
    text = _text(_STATUS[verdict.status], style="green" if verdict.status == "proven" else "yellow")
    known = any(sandbox.id == verdict.sandbox for sandbox in report.sandboxes)
    where = f" on {verdict.sandbox}" if known else ""
    if known and finding.confidence == "low":
        where += ", on rows as assumed"
    reason = (verdict.reason,) if verdict.reason else ()
    rest = "".join(f"; {part}" for part in chain(_measures(recommendation, verdict), reason))
    return text.append(printable(where + rest), style="default")


def _measures(recommendation: Recommendation, verdict: Verdict) -> Iterator[str]:
    before, after = _one_call(verdict)
    if before.ms is not None and after.ms is not None:
        yield f"{duration_text(before.ms)} -> {duration_text(after.ms)}"
    if before.buffers is not None and after.buffers is not None:
        yield f"{before.buffers:,} -> {count_text(after.buffers, 'block')}"
    if before.cost is not None and after.cost is not None:
        yield f"cost {before.cost:,.0f} -> {after.cost:,.0f}"
    if len(verdict.per_query) > 1:
        yield f"summed over one call each of {len(verdict.per_query)} queries"
    if verdict.equivalence is not None:
        same = {"checked": "same rows on", "proved": "same rows proved,", "different": "other rows, found on"}
        word = same.get(verdict.equivalence.status, "rows not compared,")
        yield f"{word} {count_text(verdict.equivalence.datasets, 'data set')}"
    if recommendation.size_bytes:
        yield f"index of {bytes_text(recommendation.size_bytes)} there"


def _one_call(verdict: Verdict) -> tuple[Measure, Measure]:
    """The sums over the queries, one call each: what a person can compare with a single run."""
    if not verdict.per_query:
        return verdict.before, verdict.after

    def added(measures: Sequence[Measure]) -> Measure:
        costs, times, blocks = zip(*((m.cost, m.ms, m.buffers) for m in measures), strict=True)
        return Measure(
            cost=None if None in costs else sum(costs),
            ms=None if None in times else sum(times),
            buffers=None if None in blocks else sum(blocks),
        )

    return added([m.before for m in verdict.per_query]), added([m.after for m in verdict.per_query])


def _migration(migration: Migration, console: Console) -> Iterator[Text]:
    yield Text()
    yield _text(migration.file, style="bold")
    if migration.error:
        yield from _wrapped(_text(f"cannot be judged: {migration.error}", style="red"), console, first="  ")
    for statement in migration.statements:
        if statement.kind == "Transaction" and not statement.error:
            continue
        line = _text(f"line {statement.line}: {_shortened(statement.sql, 100)}")
        yield from _wrapped(line, console, first="  ", hanging="    ")
        yield from _wrapped(_text(_facts(statement), style="dim"), console, first="      ", hanging="      ")
    if migration.invalid_indexes:
        left = f"leaves INVALID: {', '.join(migration.invalid_indexes)}"
        yield from _wrapped(_text(left, style="yellow"), console, first="  ")
    for change in migration.workload:
        if change.change != "same":
            line = _text(f"query {change.query_id}: {change.change.replace('_', ' ')}; {change.reason}")
            yield from _wrapped(line, console, first="  ", hanging="    ")


def _facts(statement: TracedStatement) -> str:
    failure = (f"fails: {statement.error}",) if statement.error else ()
    if not statement.traced or statement.locks is None:
        return "; ".join(("not traced: its locks are not known", *failure))
    facts = []
    if statement.max_lock:
        strongest = [str(lock.relation) for lock in statement.locks if lock.mode == statement.max_lock]
        facts.append(f"{statement.max_lock} on {', '.join(strongest)}")
    if statement.blocks_reads:
        facts.append("blocks reads and writes")
    elif statement.blocks_writes:
        facts.append("blocks writes")
    if statement.rewrites:
        facts.append(f"rewrites {', '.join(map(str, statement.rewrites))}")
    if statement.scans:
        facts.append(f"scans {', '.join(map(str, statement.scans))}")
    return "; ".join((*facts, *failure)) or "locks nothing that existed before"


def _foot(report: Report, shown: Sequence[Finding]) -> Iterator[Text]:
    refuted = [finding for finding in report.findings if finding.refuted_by is not None]
    if refuted:
        yield Text()
        yield _text("Looked at and withdrawn:", style="dim")
        yield from (_text(f"- {f.rule} {f.title}: {f.refuted_by}", style="dim") for f in refuted)
    suppressed = [finding for finding in report.findings if finding.suppressed is not None and not finding.refuted_by]
    if suppressed:
        yield Text()
        yield _text("Suppressed:", style="dim")
        yield from (_text(f"- {f.rule} {f.title}: {f.suppressed}", style="dim") for f in suppressed)
    yield Text()
    for skipped in report.rules_skipped:
        yield _text(f"Not judged: {skipped.rule} ({skipped.reason})", style="dim")
    for warning in report.workload.warnings:
        yield _text(f"Note: {warning}", style="yellow")
    for diagnostic in report.diagnostics:
        again = f" ({diagnostic.count} times)" if diagnostic.count > 1 else ""
        style = {"error": "bold red", "warning": "yellow", "info": "dim"}[diagnostic.level]
        name = "Note" if diagnostic.level == "info" else diagnostic.level.capitalize()
        yield _text(f"{name}: {diagnostic.message}{again}", style=style)
    if not report.complete:
        yield _text("Incomplete: the run was stopped before its end.", style="bold red")
    counts = [
        count_text(number, severity, None if severity != "info" else "info")
        for severity in ("error", "warning", "info")
        if (number := sum(f.severity == severity for f in shown))
    ]
    unjudged = any(migration.error for migration in report.migrations)
    all_clear = "Nothing found in what could be judged." if unjudged else "Nothing found."
    nothing = all_clear if report.complete else "Nothing found before it was stopped."
    yield _text(f"Found: {', '.join(counts)}." if counts else nothing, style="bold")


def _row(label: str, text: Text, console: Console) -> Iterator[Text]:
    """A paragraph beside its label."""
    first = f"{_INDENT}{label:<{_LABEL}}"
    for number, line in enumerate(_wrapped(text, console, first=" " * len(first), hanging=" " * len(first))):
        yield Text().append(first, style="dim").append_text(line[len(first) :]) if number == 0 else line


def _wrapped(text: Text, console: Console, *, first: str = "", hanging: str | None = None) -> Iterator[Text]:
    """The text in lines of the console's width, behind `first` and then `hanging` (as `first` where not given)."""
    later = first if hanging is None else hanging
    room = max(console.width - max(len(first), len(later)), 1)
    for number, line in enumerate(text.wrap(console, room) or [Text()]):
        line.rstrip()
        yield Text(later if number else first).append_text(line)


def _text(text: str, style: str = "") -> Text:
    """A piece of text in which nothing that came from a log can steer the terminal."""
    return Text(printable(text), style=style)


def _shortened(sql: str, characters: int = 240) -> str:
    line = " ".join(sql.split())
    return line if len(line) <= characters else f"{line[: characters - 1]}…"
