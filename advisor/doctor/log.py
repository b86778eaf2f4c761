"""A log, as the reader understands it, and what is missing in it."""

from collections.abc import Iterator

from advisor.doctor.check import Check
from advisor.doctor.log_settings import PLAN_OF, PREFIX, SLOW, cost_of_fields, lacking_fields
from advisor.model.options import Options
from advisor.model.workload import InputFile, Workload
from advisor.workload.floor import share_text, unknown_text
from advisor.workload.honesty import NO_STATEMENTS
from advisor.workload.sampling import sampling_of

_LOGS = ("stderr", "csv", "json")


def judge_log(workload: Workload) -> Iterator[Check]:
    """Format and fields of each input, then how much of it was understood and what it holds."""
    for source in workload.inputs:
        yield _source(source)
    yield _coverage(workload)
    yield _statements(workload)
    if any(source.format in _LOGS for source in workload.inputs):
        left_out = sampling_of(workload)
        if workload.queries:
            yield _durations(workload, sampled=bool(left_out))
        for sentence in left_out:
            setting, _, consequence = sentence.partition(": ")
            yield Check(name="sampling", status="weak", found=setting, cost=consequence)
        yield _plans(workload)


def _source(source: InputFile) -> Check:
    found = source.format + (f", {source.compression}" if source.compression else "")
    if source.detected_prefix is None:
        return Check(name=source.name, status="good", found=found)
    found += f", log_line_prefix = {source.detected_prefix!r}"
    lacking = lacking_fields(source.detected_prefix)
    if not lacking:
        return Check(name=source.name, status="good", found=found)
    return Check(
        name=source.name,
        status="missing" if {"%m", "%p"} & set(lacking) else "weak",
        found=f"{found}, without {', '.join(lacking)}",
        cost=cost_of_fields(lacking),
        fix=(f"ALTER SYSTEM SET log_line_prefix = '{PREFIX}';",),
        needs="reload",
    )


def _coverage(workload: Workload) -> Check:
    coverage = workload.coverage
    found = f"{share_text(coverage)} of {coverage.bytes_total:,} bytes"
    if coverage.bytes_classified == coverage.bytes_total:
        return Check(name="understood", status="good", found=found)
    unknown = unknown_text(coverage)
    cost = "What was not understood is not judged" + (f": {unknown}." if unknown else ".")
    enough = coverage.bytes_classified >= coverage.bytes_total * Options().min_coverage
    return Check(name="understood", status="weak" if enough else "missing", found=found, cost=cost)


def _statements(workload: Workload) -> Check:
    coverage = workload.coverage
    count = len(workload.queries)
    found = f"{coverage.statements:,} of {count:,} {'query' if count == 1 else 'queries'}"
    if not workload.queries:
        reason = next((each for each in workload.warnings if each.startswith(NO_STATEMENTS)), None)
        # Only where the settings are the reason do they help.
        by_settings = reason is None or "log_min_duration_statement = 0" in reason
        return Check(
            name="statements",
            status="missing",
            found="none",
            cost=reason or "There is no workload to judge.",
            fix=(f"ALTER SYSTEM SET log_min_duration_statement = '{SLOW}';",) if by_settings else (),
            needs="reload" if by_settings else None,
        )
    if coverage.statements_unparsed:
        cost = "They are no statements of PostgreSQL's grammar, or were cut off, and are not judged."
        return Check(
            name="statements", status="weak", found=f"{found}; {coverage.statements_unparsed:,} unparsed", cost=cost
        )
    return Check(name="statements", status="good", found=found)


def _durations(workload: Workload, *, sampled: bool) -> Check:
    calls = sum(query.calls for query in workload.queries)
    timed = sum(query.timed_calls for query in workload.queries)
    fix = (f"ALTER SYSTEM SET log_min_duration_statement = '{SLOW}';",)
    if timed == 0:
        cost = "Nothing can be said about which queries are slow, only how often they ran."
        return Check(name="durations", status="missing", found="none", cost=cost, fix=fix, needs="reload")
    if timed < calls:
        cost = "The time of the other executions is guessed from these, which may be the slow ones."
        found = f"of {timed:,} of {calls:,} executions"
        return Check(name="durations", status="weak", found=found, cost=cost, fix=fix, needs="reload")
    return Check(name="durations", status="good", found=f"of every execution{' that is logged' if sampled else ''}")


def _plans(workload: Workload) -> Check:
    if workload.plans:
        return Check(name="plans", status="good", found=f"{len(workload.plans):,} by auto_explain")
    fix = (
        "LOAD 'auto_explain';",
        "ALTER SYSTEM SET session_preload_libraries = 'auto_explain'; -- after what SHOW says is there already",
        f"ALTER SYSTEM SET auto_explain.log_min_duration = '{PLAN_OF}';",
        "ALTER SYSTEM SET auto_explain.log_format = 'json';",
    )
    cost = "What the server really did is not known, only what a throwaway one does."
    return Check(name="plans", status="missing", found="none", cost=cost, fix=fix, needs="reload")
