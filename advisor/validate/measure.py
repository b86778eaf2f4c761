"""What one statement costs on the throwaway server: planner cost, blocks touched, median time of warm runs."""

import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TypeVar

import orjson
import psycopg
from psycopg import sql as pgsql

from advisor.model.advice import Measure
from advisor.model.plan import Plan, walk
from advisor.plans.parse import parse_plans
from advisor.sandbox.gone import raise_if_gone
from advisor.sandbox.watched import Watched

_T = TypeVar("_T")

WARM_RUNS = 5
"""Timed runs after the one that warms the cache; the median of five shrugs off two disturbed ones."""

RUN_TIMEOUT_MS = 10_000
"""A single run's limit: advice about a slower statement rests on its planner cost alone, and says so."""


GRACE_S = 2
"""A session that catches the cancellation of its statement and goes on is ended this much later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A statement's price and plan; `error` says why there is none, or why it was planned but not executed."""

    measure: Measure
    plan: Plan | None = None
    error: str | None = None

    @property
    def indexes(self) -> frozenset[str]:
        """Names of the indexes the plan uses."""
        if self.plan is None:
            return frozenset()
        return frozenset(node.index_name for _, node in walk(self.plan.root) if node.index_name)


def plan_only(connection: psycopg.Connection, statement: str) -> Measured:
    """The planner's answer, nothing executed. An error of the server, or the session's end, is part of the answer."""
    try:
        plan = _twice(connection, lambda: _planned(connection, statement))
    except psycopg.Error as error:
        return Measured(measure=Measure(), error=_told(connection, error))
    return Measured(measure=Measure(cost=plan.root.total_cost), plan=plan)


def execute(connection: psycopg.Connection, statement: str, runs: int = WARM_RUNS) -> Measured:
    """Plans the statement, runs it once to warm the cache and `runs` times for the median; always rolled back.

    The median is of the server's own `Execution Time`, so the client's share is not in it.
    """
    planned = plan_only(connection, statement)
    if planned.error is not None:
        return planned
    try:
        plans = _twice(connection, lambda: [_executed(connection, statement) for _ in range(runs + 1)])
    except psycopg.Error as error:
        return Measured(measure=planned.measure, plan=planned.plan, error=_told(connection, error))
    plan, times = plans[-1], [one.execution_ms for one in plans[1:] if one.execution_ms is not None]
    buffers = plan.root.buffers.touched if plan.root.buffers else None
    ms = round(statistics.median(times), 4)
    return Measured(measure=Measure(cost=planned.measure.cost, ms=ms, buffers=buffers), plan=plan)


def _planned(connection: psycopg.Connection, statement: str) -> Plan:
    with rolled_back(connection):
        return _explain(connection, statement, "FORMAT JSON")


def _executed(connection: psycopg.Connection, statement: str) -> Plan:
    with rolled_back(connection):
        return _explain(connection, statement, "ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON")


def _twice(connection: psycopg.Connection, work: Callable[[], _T]) -> _T:
    """What the work gives; once more where its session was lost, but not ended by us: another one may have ended it."""
    try:
        return work()
    except psycopg.Error as error:
        if not isinstance(connection, Watched) or not connection.closed or connection.ended is not None:
            raise
        raise_if_gone(connection, error)
    return work()


def _told(connection: psycopg.Connection, error: psycopg.Error) -> str:
    """Why a statement failed, as a sentence. Raises SandboxError where the server is gone."""
    lost = connection.closed
    ended = connection.ended if isinstance(connection, Watched) else None
    raise_if_gone(connection, error)
    return f"its session was ended: {ended or _sentence(error)}" if lost else _sentence(error)


@contextmanager
def rolled_back(connection: psycopg.Connection, timeout_ms: int | None = None) -> Iterator[None]:
    """A transaction with a time limit (`RUN_TIMEOUT_MS`, where None) that leaves nothing behind.

    A watched session cannot refuse the limit.
    """
    timeout_ms = RUN_TIMEOUT_MS if timeout_ms is None else timeout_ms
    limit_s = timeout_ms / 1000 + GRACE_S
    with (
        connection.limited(limit_s) if isinstance(connection, Watched) else nullcontext(),
        connection.transaction(force_rollback=True),
    ):
        connection.execute(pgsql.SQL("SET LOCAL statement_timeout = {}").format(timeout_ms))
        yield


def _explain(connection: psycopg.Connection, statement: str, options: str) -> Plan:
    # The statement is passed as bytes: it comes from a log, was vetted, and must not be read as a template.
    row = connection.execute(f"EXPLAIN ({options}) {statement}".encode()).fetchone()
    assert row is not None
    return parse_plans(orjson.dumps(row[0]).decode())[0]


def _sentence(error: psycopg.Error) -> str:
    text = error.diag.message_primary or str(error)
    return text.strip().splitlines()[0] if text.strip() else type(error).__name__
