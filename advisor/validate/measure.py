"""What one statement costs on the throwaway server: planner cost, blocks touched, median time of warm runs."""

import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import orjson
import psycopg
from psycopg import sql as pgsql

from advisor.model.advice import Measure
from advisor.model.plan import Plan, walk
from advisor.plans.parse import parse_plans
from advisor.sandbox.gone import raise_if_gone

WARM_RUNS = 5
"""Timed runs after the one that warms the cache; the median of five shrugs off two disturbed ones."""

RUN_TIMEOUT_MS = 10_000
"""A single run's limit: advice about a slower statement rests on its planner cost alone, and says so."""


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
    """The planner's answer, nothing executed. An error of the server is part of the answer."""
    try:
        with rolled_back(connection):
            plan = _explain(connection, statement, "FORMAT JSON")
    except psycopg.Error as error:
        raise_if_gone(connection, error)
        return Measured(measure=Measure(), error=_sentence(error))
    return Measured(measure=Measure(cost=plan.root.total_cost), plan=plan)


def execute(connection: psycopg.Connection, statement: str, runs: int = WARM_RUNS) -> Measured:
    """Plans the statement, runs it once to warm the cache and `runs` times for the median; always rolled back.

    The median is of the server's own `Execution Time`, so the client's share is not in it.
    """
    planned = plan_only(connection, statement)
    if planned.error is not None:
        return planned
    times: list[float] = []
    plan = planned.plan
    try:
        for number in range(runs + 1):
            with rolled_back(connection):
                plan = _explain(connection, statement, "ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON")
            if number and plan.execution_ms is not None:
                times.append(plan.execution_ms)
    except psycopg.Error as error:
        raise_if_gone(connection, error)
        return Measured(measure=planned.measure, plan=planned.plan, error=_sentence(error))
    buffers = plan.root.buffers.touched if plan and plan.root.buffers else None
    ms = round(statistics.median(times), 4)
    return Measured(measure=Measure(cost=planned.measure.cost, ms=ms, buffers=buffers), plan=plan)


@contextmanager
def rolled_back(connection: psycopg.Connection, timeout_ms: int = RUN_TIMEOUT_MS) -> Iterator[None]:
    """A transaction with a time limit that leaves nothing behind."""
    with connection.transaction(force_rollback=True):
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
