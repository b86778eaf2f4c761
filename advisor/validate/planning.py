"""The workload's queries planned on the twin: with the values they were sent with, and as prepared statements."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import orjson
import psycopg

from advisor.errors import SqlError
from advisor.model.plan import Plan
from advisor.model.usage import Usage
from advisor.model.workload import Query
from advisor.plans.parse import parse_plans
from advisor.sandbox.gone import raise_if_gone
from advisor.sandbox.twin.open import Twin
from advisor.sql.bind import count_parameters
from advisor.sql.parameters import parameter_uses
from advisor.sql.vet import vet_statement
from advisor.validate.measure import plan_only, rolled_back
from advisor.validate.statements import runnables
from advisor.validate.statistics_sample import statistics_sampler
from advisor.validate.values import parameter_types

MAX_QUERIES = 500
"""Queries that are planned, most time first: what is beyond them is a rounding error of the workload."""

_PLAN_TIMEOUT_MS = 5_000
"""Hundreds of joins plan within this; what takes longer plays for time."""

_GENERIC_PLAN = 160000
"""The server version that has EXPLAIN (GENERIC_PLAN)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A query as production's planner would run it.

    Attributes:
        plan: with the first values; None where no statement could be planned, and `reason` says why.
        statements: texts with values in place, all of which were planned.
        plans: one for each of them.
        generic: the plan that a prepared statement gets once its values do not matter, for a text with parameters.
    """

    query_id: str
    statements: tuple[str, ...] = ()
    plans: tuple[Plan, ...] = ()
    generic: Plan | None = None
    reason: str | None = None

    @property
    def plan(self) -> Plan | None:
        """With the first values, else the generic one."""
        return self.plans[0] if self.plans else self.generic


def plan_queries(
    twin: Twin, queries: Sequence[Query], usages: Mapping[str, Usage], *, deadline: float | None = None
) -> Iterator[Planned]:
    """Plans the queries on tables, those with most time. Nothing is executed, everything is rolled back.

    `deadline` is of `time.monotonic()`; queries not reached by then are passed over.
    Raises SandboxError where the server is lost.
    """
    on_tables = [query for query in queries if query.id in usages and usages[query.id].tables]
    chosen = sorted(on_tables, key=lambda query: (-query.total_us, -query.calls, query.id))[:MAX_QUERIES]
    with twin.watched() as connection:
        found = runnables(chosen, usages, connection, statistics_sampler(twin.catalog))
        for query in chosen:
            if deadline is not None and time.monotonic() > deadline:
                break
            runnable = found.get(query.id)
            if runnable is None:
                continue
            measured = [(text, plan_only(connection, text)) for text in runnable.statements]
            planned = [(text, answer.plan) for text, answer in measured if answer.plan is not None]
            generic, problem = _generic_plan(connection, query)
            errors = [answer.error for _, answer in measured if answer.error]
            yield Planned(
                query_id=query.id,
                statements=tuple(text for text, _ in planned),
                plans=tuple(plan for _, plan in planned),
                generic=generic,
                reason=None if planned or generic else _sentence(next(iter(errors), runnable.reason or problem)),
            )


def _sentence(reason: str | None) -> str:
    return f"{(reason or 'it has no runnable text').rstrip('.')}."


def _generic_plan(connection: psycopg.Connection, query: Query) -> tuple[Plan | None, str | None]:
    """The plan of a prepared statement whose values are not known; or None, and why."""
    try:
        uses = parameter_uses(query.sql)
        count = count_parameters(uses.text)
        refusal = vet_statement(uses.text).reason
        if refusal is not None or count == 0:
            return None, refusal
        types = parameter_types(connection, uses, count)
        with rolled_back(connection, _PLAN_TIMEOUT_MS):
            return _explain_prepared(connection, uses.text, types), None
    except SqlError as error:
        return None, error.what
    except psycopg.Error as error:
        raise_if_gone(connection, error)
        return None, error.diag.message_primary or str(error)


def _explain_prepared(connection: psycopg.Connection, text: str, types: Sequence[str]) -> Plan:
    """`GENERIC_PLAN` takes the types from the text; where it cannot, and before 16, a prepared statement has them."""
    if connection.info.server_version >= _GENERIC_PLAN and not any(kind == "text" for kind in types):
        return _read(connection, f"EXPLAIN (GENERIC_PLAN, FORMAT JSON) {text}")
    connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
    connection.execute(f"PREPARE advisor_generic ({', '.join(types)}) AS {text}".encode())
    try:
        return _read(connection, f"EXPLAIN (FORMAT JSON) EXECUTE advisor_generic ({', '.join(['NULL'] * len(types))})")
    finally:
        if connection.info.transaction_status != psycopg.pq.TransactionStatus.INERROR:
            connection.execute("DEALLOCATE advisor_generic")


def _read(connection: psycopg.Connection, statement: str) -> Plan:
    row = connection.execute(statement.encode()).fetchone()
    assert row is not None
    return parse_plans(orjson.dumps(row[0]).decode())[0]
