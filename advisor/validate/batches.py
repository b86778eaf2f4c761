"""A batched look-up into a verdict: the rows of many single look-ups against those of the one that replaces them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import psycopg
from psycopg import sql as pgsql

from advisor.model.advice import BatchProposal, Equivalence, Measure, QueryMeasure, Verdict
from advisor.rewrites.batch import Batch
from advisor.sandbox.gone import raise_if_gone
from advisor.sql.bind import inline_parameters
from advisor.validate.gain import MAX_LOSS, total
from advisor.validate.lab import Lab
from advisor.validate.measure import execute, rolled_back

KEYS = 25
"""Keys of one trial: a page of rows, the size at which this pattern is usually met."""

Rows = Counter[tuple[str, ...]]


def try_batch(
    lab: Lab, connections: Sequence[psycopg.Connection], proposal: BatchProposal, batch: Batch, calls: int
) -> Verdict:
    """Compares on every data set and measures on the first, the lab's own, with keys that are in the rows.

    `calls` is the look-up's number of calls in the log, by which the sums are weighted.
    """
    base = Verdict(status="not_tested", method="executed", sandbox=lab.sandbox.id)
    compared = 0
    for connection in connections:
        keys = _keys(connection, proposal)
        try:
            agree = _agree(connection, batch, keys)
        except psycopg.Error as error:
            raise_if_gone(connection, error)
            return replace(base, reason=f"it does not run here: {error.diag.message_primary}")
        if not agree:
            status = Equivalence(status="different", datasets=compared + 1)
            return replace(base, status="not_equivalent", equivalence=status, reason="other rows came back")
        compared += bool(keys)
    keys = _keys(connections[0], proposal)
    base = replace(base, equivalence=Equivalence(status="checked" if compared else "unknown", datasets=compared))
    if not keys:
        return replace(base, reason="the synthesised rows have no key to look up")
    return _measured(connections[0], base, proposal, batch, keys, calls)


def _measured(
    connection: psycopg.Connection,
    base: Verdict,
    proposal: BatchProposal,
    batch: Batch,
    keys: Sequence[str],
    calls: int,
) -> Verdict:
    singles = [execute(connection, _single(batch, key)).measure for key in keys]
    before = total((measure, 1.0) for measure in singles)
    after = execute(connection, _batched(batch, keys)).measure
    rounds = max(calls / len(keys), 1.0)
    verdict = replace(
        base,
        before=total([(before, rounds)]),
        after=total([(after, rounds)]),
        per_query=(QueryMeasure(query_id=proposal.query_id, before=before, after=after),),
    )
    if _dearer(before, after):
        return replace(verdict, status="no_gain", reason="the batch reads more blocks than the single look-ups")
    return replace(verdict, status="proven", reason=f"{len(keys)} round trips become 1")


def _dearer(before: Measure, after: Measure) -> bool:
    """Whether the batch loses on the server what it saves on the way: then the round trips are the smaller evil."""
    if before.buffers is None or after.buffers is None or before.ms is None or after.ms is None:
        return True
    return after.buffers > before.buffers * (1 + MAX_LOSS) and after.ms > before.ms


def _agree(connection: psycopg.Connection, batch: Batch, keys: Sequence[str]) -> bool:
    if not keys:
        return True
    expected: Rows = Counter()
    for key in keys:
        expected.update(_rows(connection, _single(batch, key)))
    found = _rows(connection, _batched(batch, keys))
    if batch.key_added:
        found = _without_last(found)
    return expected == found


def _without_last(rows: Rows) -> Rows:
    shorter: Rows = Counter()
    for row, count in rows.items():
        shorter[row[:-1]] += count
    return shorter


def _rows(connection: psycopg.Connection, statement: str) -> Rows:
    with rolled_back(connection):
        return Counter(tuple(repr(value) for value in row) for row in connection.execute(statement.encode()))


def _single(batch: Batch, key: str) -> str:
    values = [key if number == batch.parameter else value for number, value in enumerate(batch.values, start=1)]
    return inline_parameters(batch.single_sql, values)


def _batched(batch: Batch, keys: Sequence[str]) -> str:
    elements = ",".join('"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"' for key in keys)
    values = [
        f"{{{elements}}}" if number == batch.parameter else value for number, value in enumerate(batch.values, start=1)
    ]
    return inline_parameters(batch.batched_sql, values)


def _keys(connection: psycopg.Connection, proposal: BatchProposal) -> list[str]:
    """Up to `KEYS` distinct values of the key column, in order."""
    statement = pgsql.SQL(
        "SELECT DISTINCT {column}::text FROM (SELECT {column} FROM {table} WHERE {column} IS NOT NULL"
        " LIMIT 1000) AS sample ORDER BY 1 LIMIT {keys}"
    ).format(
        column=pgsql.Identifier(proposal.column),
        table=pgsql.Identifier(proposal.table.schema, proposal.table.name),
        keys=KEYS,
    )
    return [row[0] for row in connection.execute(statement)]
