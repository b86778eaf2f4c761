"""The report for people at a terminal: ranked cards, each with why, do and proof. Clean at 80 columns and in pipes."""

import io
from collections.abc import Iterator, Sequence

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from advisor.model.advice import Finding, Measure, Recommendation, Verdict
from advisor.model.migration import Migration, TracedStatement
from advisor.model.report import Report
from advisor.report.printable import printable
from advisor.report.units import bytes_text, count_text, duration_text, share_text

WIDTH = 80
"""Columns where the output is not a terminal."""

DEFAULT_TOP = 20
"""Cards shown; the JSON document has all."""

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
    for part in _parts(report, DEFAULT_TOP if top is None else top):
        console.print(part)
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"


def _parts(report: Report, top: int) -> Iterator[RenderableType]:
    yield from _head(report)
    if report.migrations:
        yield from _migrations(report.migrations)
    shown = [finding for finding in report.findings if finding.refuted_by is None]
    for number, finding in enumerate(shown[:top], start=1):
        yield _text("")
        yield _card(number, finding, report)
    if len(shown) > top:
        yield _text(f"\n{len(shown) - top} more: --top {len(shown)} shows all of them.")
    yield from _refuted([finding for finding in report.findings if finding.refuted_by is not None])
    yield _text("")
    yield from _foot(report, shown)


def _head(report: Report) -> Iterator[RenderableType]:
    workload, coverage = report.workload, report.workload.coverage
    for source in workload.inputs:
        prefix = f", prefix {source.detected_prefix!r}" if source.detected_prefix else ""
        packed = f", {source.compression}" if source.compression else ""
        yield _text(f"{source.name}: {source.format}{packed}, {bytes_text(source.bytes)}{prefix}")
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
    for sandbox in report.sandboxes:
        yield _text(
            f"Tried on {sandbox.id}: {sandbox.provider} PostgreSQL {sandbox.server_version}, {sandbox.rows} rows"
            + ("" if sandbox.same_major_as_target is not False else "; the target is of another major version")
        )
    for assumption in report.assumptions:
        yield _text(f"Assumed: {assumption}", style="dim")


def _card(number: int, finding: Finding, report: Report) -> RenderableType:
    head = _text(f"{number}. ")
    head.append(finding.severity, style=_COLOURS[finding.severity])
    head.append(f"  {finding.rule} {finding.name}")
    if finding.impact.saved_ms:
        head.append(f"  saves about {duration_text(finding.impact.saved_ms)}", style="bold green")
        if finding.impact.total_ms:
            head.append(f" of {duration_text(finding.impact.total_ms)}")
    title = _text(finding.title, style="bold")
    rows = Table.grid(padding=(0, 2), expand=True)
    rows.add_column(width=5, no_wrap=True)
    rows.add_column(ratio=1, overflow="fold")
    for label, text in _card_rows(finding, report):
        rows.add_row(_text(label, style="dim"), text)
    return Group(head, Padding(Group(title, rows), (0, 0, 0, 3)))


def _card_rows(finding: Finding, report: Report) -> Iterator[tuple[str, RenderableType]]:
    if finding.location is not None:
        yield "where", _text(f"{finding.location.file}:{finding.location.line}")
    for query_id in finding.subject.queries[:1]:
        query = report.workload.query(query_id)
        if query is not None:
            mean = f" x {duration_text(query.mean_ms)}" if query.mean_ms is not None else ""
            yield "query", _text(f"{_shortened(query.sql)}\n{count_text(query.calls, 'call')}{mean}, id {query.id}")
    yield "why", _text(finding.message)
    if finding.confidence != "high":
        yield "sure?", _text(f"{finding.confidence} confidence")
    mine = [r for r in report.recommendations if finding.key in r.findings and r.verdict.status not in _REFUTED]
    for recommendation in mine:
        yield "do", _deed(recommendation)
        yield "proof", _proof(recommendation, report)


def _deed(recommendation: Recommendation) -> RenderableType:
    lines: list[Text] = [_text(f"{statement};") for statement in recommendation.statements]
    if recommendation.rewritten_sql:
        lines.append(_text(recommendation.rewritten_sql))
    lines += [_text(note, style="dim") for note in recommendation.notes]
    if recommendation.rollback:
        lines.append(_text(f"Undo: {'; '.join(recommendation.rollback)};", style="dim"))
    return Group(*lines)


def _proof(recommendation: Recommendation, report: Report) -> RenderableType:
    verdict = recommendation.verdict
    style = "green" if verdict.status == "proven" else "yellow"
    text = _text(_STATUS[verdict.status], style=style)
    sandbox = next((s for s in report.sandboxes if s.id == verdict.sandbox), None)
    if sandbox is not None:
        text.append(f" on {sandbox.id}", style="default")
    text.append("".join(f"; {part}" for part in _measures(recommendation, verdict)), style="default")
    if verdict.reason:
        text.append(printable(f"; {verdict.reason}"), style="default")
    return text


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


def _migrations(migrations: Sequence[Migration]) -> Iterator[RenderableType]:
    for migration in migrations:
        yield _text("")
        yield _text(migration.file, style="bold")
        if migration.error:
            yield _text(f"  error: {migration.error}", style="red")
        for statement in migration.statements:
            yield Padding(_text(_statement(statement)), (0, 0, 0, 2))


def _statement(statement: TracedStatement) -> str:
    head = f"line {statement.line}: {_shortened(statement.sql, 100)}"
    if not statement.traced or statement.locks is None:
        return f"{head}\n    not traced{': ' + statement.error if statement.error else ''}"
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
    if statement.error:
        facts.append(f"fails: {statement.error}")
    return f"{head}\n    {'; '.join(facts) or 'locks nothing that existed before'}"


def _refuted(findings: Sequence[Finding]) -> Iterator[RenderableType]:
    if findings:
        yield _text("")
        yield _text("Looked at and withdrawn:", style="dim")
    for finding in findings:
        yield Padding(_text(f"{finding.rule} {finding.title}: {finding.refuted_by}", style="dim"), (0, 0, 0, 2))


def _foot(report: Report, shown: Sequence[Finding]) -> Iterator[RenderableType]:
    for skipped in report.rules_skipped:
        yield _text(f"Not judged: {skipped.rule} ({skipped.reason})", style="dim")
    for warning in report.workload.warnings:
        yield _text(f"Note: {warning}", style="yellow")
    for diagnostic in report.diagnostics:
        again = f" ({diagnostic.count} times)" if diagnostic.count > 1 else ""
        style = "bold red" if diagnostic.level == "error" else "yellow"
        yield _text(f"{diagnostic.level.capitalize()}: {diagnostic.message}{again}", style=style)
    if not report.complete:
        yield _text("Incomplete: the run was stopped before its end.", style="bold red")
    counts = [
        count_text(number, severity, None if severity != "info" else "info")
        for severity in ("error", "warning", "info")
        if (number := sum(f.severity == severity for f in shown))
    ]
    yield _text(f"Found: {', '.join(counts)}." if counts else "Nothing found.", style="bold")


def _text(text: str, style: str = "") -> Text:
    """A piece of text in which nothing that came from a log can steer the terminal."""
    return Text(printable(text), style=style)


def _shortened(sql: str, characters: int = 240) -> str:
    line = " ".join(sql.split())
    return line if len(line) <= characters else f"{line[: characters - 1]}…"
