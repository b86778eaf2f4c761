"""Queries of the workload as statements that can be planned and run on the throwaway server."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import psycopg

from advisor.errors import SqlError
from advisor.model.advice import IndexNeed
from advisor.model.names import QualifiedName
from advisor.model.usage import Usage
from advisor.model.workload import Query, Sample
from advisor.sandbox.gone import raise_if_gone
from advisor.sql.bind import count_parameters, has_parameters, inline_parameters
from advisor.sql.parameters import parameter_uses
from advisor.sql.vet import vet_statement
from advisor.validate.values import Sampler, Values, sample_rows

MAX_SAMPLES = 3
"""Executions of one query that are tried: more than one, so that no lucky constant decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runnable:
    """A query with up to `MAX_SAMPLES` statements that stand for it; or none, and `reason` says why.

    `weight` is its number of calls, at least 1.
    """

    query_id: str
    statements: tuple[str, ...] = ()
    weight: float = 1.0
    tables: tuple[QualifiedName, ...] = ()
    writes: bool = False
    reason: str | None = None


def runnables(
    queries: Iterable[Query],
    usages: Mapping[str, Usage],
    connection: psycopg.Connection,
    sampler: Sampler = sample_rows,
) -> dict[str, Runnable]:
    """Every query that is understood, by id. Parameters without values get some from the rows of the sampler.

    `connection` is the unprivileged login's, in autocommit mode. Raises SandboxError where the server is lost.
    """
    values = Values(connection, sampler)
    found = {}
    for query in queries:
        usage = usages.get(query.id)
        if usage is None or usage.kind == "utility":
            continue
        found[query.id] = _runnable(query, usage, values)
    return found


def probes(needs: Iterable[IndexNeed]) -> dict[str, Runnable]:
    """The statements that stand for readings which came without one, by the needs' query ids."""
    found = {}
    for need in needs:
        if need.probe is not None and has_parameters(need.probe):
            reason = "the plan does not show the values it was run with"
            found[need.query_id] = Runnable(query_id=need.query_id, reason=reason)
        elif need.probe is not None and (vetted := vet_statement(need.probe)).reason is None:
            found[need.query_id] = Runnable(query_id=need.query_id, statements=(need.probe,), tables=(need.table,))
        elif need.probe is not None:
            found[need.query_id] = Runnable(query_id=need.query_id, reason=vetted.reason)
    return found


def _runnable(query: Query, usage: Usage, values: Values) -> Runnable:
    statements: list[str] = []
    reason = None
    for sample in query.samples[:MAX_SAMPLES] or (Sample(sql=query.sql),):
        try:
            found = list(_with_values(sample, query, usage, values))
        except SqlError as error:
            reason = error.what
        except psycopg.Error as error:
            raise_if_gone(values.connection, error)
            reason = error.diag.message_primary or str(error).splitlines()[0]
        else:
            refused = [vetted.reason for text in found if (vetted := vet_statement(text)).reason is not None]
            reason = next(iter(refused), reason)
            statements += [text for text in found if not refused and text not in statements]
    return Runnable(
        query_id=query.id,
        statements=tuple(statements[:MAX_SAMPLES]),
        weight=float(max(query.calls, 1)),
        tables=usage.tables,
        writes=usage.kind != "select",
        reason=None if statements else reason or "no runnable text",
    )


def _with_values(sample: Sample, query: Query, usage: Usage, values: Values) -> Iterator[str]:
    """The sample as it was sent; where its values are not known, with several from the rows."""
    wanted = count_parameters(sample.sql)
    if wanted == 0:
        yield sample.sql
        return
    if sample.parameters is not None and len(sample.parameters) >= wanted:
        yield inline_parameters(sample.sql, sample.parameters)
        return
    uses = parameter_uses(sample.sql)
    # Before the server sees any part of it.
    if (reason := vet_statement(uses.text).reason) is not None:
        raise SqlError(reason)
    rows_per_call = query.rows / query.calls if query.rows is not None and query.calls else None
    yield from values.statements(uses, usage, rows_per_call)
