"""Reports for the writers' tests: any at all, and one such as a user sees."""

import dataclasses
import types
from collections.abc import Mapping
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

from advisor.model.advice import (
    Equivalence,
    Finding,
    Impact,
    Location,
    Measure,
    QueryMeasure,
    Recommendation,
    Subject,
    Verdict,
)
from advisor.model.migration import Lock, Migration, TracedStatement, WorkloadChange
from advisor.model.names import QualifiedName
from advisor.model.plan import PlanNode
from advisor.model.report import Diagnostic, Report, ReportedPlan, SandboxUse, SkippedRule
from advisor.model.sketch import LatencySketch
from advisor.model.workload import Coverage, InputFile, Query, Workload

ids = st.text("0123456789abcdef", min_size=16, max_size=16)
counts = st.integers(0, 2**60)
at_us = st.none() | st.integers(0, 4_000_000_000_000_000)
texts = st.text(st.characters(), max_size=30)
"""Any characters, lone surrogates included: a file's name may have them."""

sketches = st.dictionaries(st.integers(-1, 2000), st.integers(1, 100), max_size=3).map(LatencySketch)

_FIELDS: dict[tuple[str, str], st.SearchStrategy[Any]] = {
    ("Query", "id"): ids,
    ("Query", "latency"): sketches,
    ("Connections", "duration"): sketches,
    ("ErrorClass", "first_us"): at_us,
    ("ErrorClass", "last_us"): at_us,
    ("LongWait", "at_us"): at_us,
    ("LargeFile", "at_us"): at_us,
    ("ParameterChange", "first_us"): at_us,
    ("ParameterChange", "last_us"): at_us,
    ("EventHour", "start_us"): at_us,
    ("Hour", "start_us"): st.integers(0, 4_000_000_000_000_000),
    ("Workload", "from_us"): at_us,
    ("Workload", "to_us"): at_us,
    ("Workload", "plans"): st.just(()),
    ("Workload", "repetitions"): st.just(()),
    ("Query", "samples"): st.just(()),
    ("SandboxUse", "id"): st.integers(1, 9).map("S{}".format),
    ("ReportedPlan", "id"): st.integers(1, 9).map("P{}".format),
    ("Recommendation", "id"): st.integers(1, 9).map("R{}".format),
    ("Finding", "rule"): st.from_regex(r"[A-Z]{3}[0-9]{3}", fullmatch=True),
    ("Finding", "plan"): st.none() | st.integers(0, 2),
    ("Finding", "plan_node"): st.none() | st.from_regex(r"0(\.[0-9])*", fullmatch=True),
    ("Finding", "remedies"): st.just(()),
    ("Finding", "evidence"): st.dictionaries(texts, st.none() | counts | texts | st.tuples(texts, counts), max_size=3),
    ("Location", "line"): st.integers(1, 10**6),
    ("Location", "column"): st.integers(1, 10**6),
    ("Location", "end_line"): st.none() | st.integers(1, 10**6),
    ("TracedStatement", "line"): st.integers(1, 10**6),
    ("TracedStatement", "column"): st.integers(1, 10**6),
    ("TracedStatement", "details"): st.just({}),
    ("Migration", "framework"): st.just("sql"),
    ("Diagnostic", "count"): st.integers(1, 10**6),
    ("PlanNode", "extra"): st.just({}),
    ("Plan", "jit"): st.none(),
    ("Plan", "triggers"): st.just(()),
    ("Plan", "extra"): st.just({}),
}


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Any values of a type of the model: dataclasses, tuples, mappings, literals and plain values."""
    origin, arguments = get_origin(hint), get_args(hint)
    if dataclasses.is_dataclass(hint):
        return _instances(hint)
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (Union, types.UnionType):
        return st.one_of([values(argument) for argument in arguments])
    if origin is tuple:
        return st.lists(values(arguments[0]), max_size=2).map(tuple)
    if origin is Mapping:
        return st.dictionaries(values(arguments[0]), values(arguments[1]), max_size=2)
    plain: dict[Any, st.SearchStrategy[Any]] = {
        str: texts,
        int: counts,
        float: st.floats(0, allow_nan=False, allow_infinity=False),
        bool: st.booleans(),
        type(None): st.none(),
    }
    return plain[hint]


def _instances(cls: Any) -> st.SearchStrategy[Any]:
    hints = get_type_hints(cls)
    fields = {
        field.name: _FIELDS.get((cls.__name__, field.name), _later(hints[field.name]))
        for field in dataclasses.fields(cls)
        if (cls, field.name) != (PlanNode, "children")
    }
    return st.builds(cls, **fields)


def _later(hint: Any) -> st.SearchStrategy[Any]:
    return st.deferred(lambda: values(hint))


reports: st.SearchStrategy[Report] = values(Report)

QUERY = Query(
    id="763c999344b78295",
    sql="SELECT id, status, total FROM orders WHERE customer_id = $1 ORDER BY created_at DESC LIMIT $2",
    calls=4200,
    timed_calls=4200,
    total_us=29_900_000,
    tables=("orders",),
)
CREATE = (
    "CREATE INDEX CONCURRENTLY orders_customer_id_created_at_idx"
    " ON public.\"Orders of all customers\" (customer_id, created_at DESC NULLS LAST) WHERE status <> 'done   and gone'"
)


def finding(**changes: Any) -> Finding:
    """A missing index, found."""
    known = Finding(
        key="IDX001:public.orders:763c999344b78295",
        rule="IDX001",
        name="missing-index",
        severity="warning",
        confidence="medium",
        title="no index on public.orders(customer_id, created_at)",
        message="Each call reads about 200,000 rows to find about 9, taking 7.1 ms on average over 4,200 calls.",
        subject=Subject(tables=("public.orders",), queries=(QUERY.id,)),
        impact=Impact(total_ms=29_900.0, calls=4200, saved_ms=29_300.0),
    )
    return dataclasses.replace(known, **changes)


def verdict(**changes: Any) -> Verdict:
    """Measured on the throwaway server, and better."""
    known = Verdict(
        status="proven",
        method="built",
        sandbox="S1",
        before=Measure(cost=3_000_000.0, ms=2900.0, buffers=1_428_000),
        after=Measure(cost=168_000.0, ms=42.0, buffers=46_200),
        per_query=(
            QueryMeasure(
                query_id=QUERY.id,
                before=Measure(cost=718.4, ms=0.68, buffers=340),
                after=Measure(cost=40.1, ms=0.01, buffers=11),
            ),
        ),
    )
    return dataclasses.replace(known, **changes)


def recommendation(**changes: Any) -> Recommendation:
    """The index for `finding`, proven."""
    known = Recommendation(
        id="R1",
        kind="create_index",
        safety="safe",
        statements=("SET lock_timeout = '15min'", CREATE, "RESET lock_timeout"),
        rollback=("DROP INDEX CONCURRENTLY IF EXISTS public.orders_customer_id_created_at_idx",),
        notes=("CREATE INDEX CONCURRENTLY cannot run inside a transaction block.",),
        size_bytes=966_656,
        findings=("IDX001:public.orders:763c999344b78295",),
        verdict=verdict(),
    )
    return dataclasses.replace(known, **changes)


def report(**changes: Any) -> Report:
    """A run over a log, with one finding and its proven index."""
    known = Report(
        command="analyze",
        workload=Workload(
            queries=(QUERY,),
            inputs=(InputFile(name="postgresql.log", format="stderr", bytes=1_400_000, detected_prefix="%m [%p] "),),
            coverage=Coverage(bytes_total=1000, bytes_classified=999, events=5000, statements=4200),
        ),
        rules_run=("IDX001",),
        rules_skipped=(SkippedRule(rule="PLN003", reason="no plans in the input"),),
        sandboxes=(
            SandboxUse(
                id="S1",
                provider="embedded",
                server_version="18.6",
                same_major_as_target=None,
                use="rows",
                rows="synthesised",
            ),
        ),
        findings=(finding(),),
        recommendations=(recommendation(),),
    )
    return dataclasses.replace(known, **changes)


MIGRATION = Migration(
    file="migrations/0001_orders_customer_index.sql",
    framework="sql",
    transaction="none",
    statements=(
        TracedStatement(
            line=3,
            column=1,
            end_line=3,
            sql="CREATE INDEX orders_customer ON orders (customer_id)",
            kind="CreateIndex",
            traced=True,
            ms=12.0,
            locks=(Lock(QualifiedName("public", "orders"), "ShareLock"),),
            max_lock="ShareLock",
            blocks_reads=False,
            blocks_writes=True,
            rewrites=(),
            rebuilt_indexes=(),
            scans=(QualifiedName("public", "orders"),),
            rows_written={},
        ),
        TracedStatement(line=5, column=1, end_line=5, sql="VACUUM orders", kind="Vacuum", error="it cannot be run"),
    ),
    workload=(WorkloadChange(query_id=QUERY.id, change="slower", reason="reads public.orders in full"),),
)
PLACE = Location(file="migrations/0001_orders_customer_index.sql", line=3, column=1, end_line=3)
LOST = Diagnostic(level="error", message="rule IDX001 crashed", count=2)
CHECKED = Equivalence(status="checked", datasets=3)

__all__ = ["CHECKED", "CREATE", "LOST", "MIGRATION", "PLACE", "QUERY", "ReportedPlan", "reports", "values"]
