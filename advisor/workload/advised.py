"""What became of an earlier report's advice: promised against measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import orjson

from advisor.errors import InputError, SqlError
from advisor.model.difference import AdviceOutcome, AdvisedQuery, Outcome, Ratio
from advisor.model.workload import Query, Workload
from advisor.sql.identify import identify
from advisor.sql.parse import parse
from advisor.workload.durations import durations
from advisor.workload.hourly import Noise, Timed, uncertainty
from advisor.workload.judging import Ensemble, judge_one, observed
from advisor.workload.matching import Matched, text_id
from advisor.workload.plan_changes import indexes_in_use

USEFUL = 1.1
"""A query that got faster by less was not helped, however sure that is."""

HOPED = 1.2
"""Advice did not help where the interval leaves out a gain of this size."""

Unit = Literal["ms", "buffers", "cost"]
_UNITS: tuple[Unit, ...] = ("ms", "buffers", "cost")


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvisedChange:
    """A recommendation of a report. `promised`: new over old by query id, in `unit`; None where none was measured."""

    id: str
    kind: str
    statements: tuple[str, ...]
    rewritten_sql: str | None
    promised: Mapping[str, float | None]
    unit: Unit | None


def read_advice(name: str) -> tuple[AdvisedChange, ...]:
    """The recommendations for queries of a JSON report of `advisor analyze`.

    Raises:
        InputError: the file cannot be read, or is no such report.
    """
    hint = "Give what advisor analyze --format json wrote."
    try:
        document = orjson.loads(Path(name).read_bytes())
    except OSError as error:
        raise InputError(f"cannot read {name}", why=error.strerror or str(error), hint=hint) from None
    except orjson.JSONDecodeError as error:
        raise InputError(f"{name} is not JSON", why=str(error), hint=hint) from None
    try:
        if document["schema_version"] != 1:
            raise InputError(f"{name} is a report of another version", hint=hint)
        queries = {finding["key"]: finding["subject"]["queries"] for finding in document["findings"]}
        found = [_advised(each, queries) for each in document["recommendations"]]
    except (AttributeError, KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise InputError(f"{name} is not a report of analyze", why=f"it lacks {error}", hint=hint) from None
    return tuple(each for each in found if each.promised)


def outcomes(
    advice: Sequence[AdvisedChange],
    old: Workload,
    new: Workload,
    matched: Matched,
    noise: Noise,
    ensemble: Ensemble,
    min_calls: int,
) -> tuple[AdviceOutcome, ...]:
    """Each recommendation held against both inputs."""
    if not advice:
        return ()
    before = {query.id: query for query in old.queries}
    partners = {first.id: second for first, second in matched.both}
    used = indexes_in_use(new) if new.plans else None
    found = []
    for each in advice:
        queries = []
        for query_id, promised in each.promised.items():
            first = before.get(query_id)
            second = partners.get(query_id)
            if each.rewritten_sql is not None:
                rewritten = _rewritten(each.rewritten_sql, first, new.queries)
                if rewritten is None and second is not None:
                    queries.append(_not_applied(query_id, first, second, promised))
                    continue
                second = rewritten
            queries.append(_outcome(query_id, first, second, promised, noise, ensemble, min_calls))
        found.append(_whole(each, tuple(queries), used))
    return tuple(found)


def created_index(statements: Sequence[str]) -> str | None:
    """The name of the index that the statements create, as plans print it."""
    for statement in statements:
        try:
            tree = parse(statement)
        except SqlError:
            continue
        for raw in tree.stmts:
            if raw.stmt.WhichOneof("node") == "index_stmt" and raw.stmt.index_stmt.idxname:
                return str(raw.stmt.index_stmt.idxname)
    return None


def _advised(document: Mapping[str, Any], queries: Mapping[str, Sequence[str]]) -> AdvisedChange:
    measured = document["verdict"]["per_query"]
    unit = next((u for u in _UNITS if measured and all(_ratio(each, u) is not None for each in measured)), None)
    promised: dict[str, float | None] = {str(each["query"]): _ratio(each, unit) if unit else None for each in measured}
    if not promised:
        promised = {str(query): None for key in document["findings"] for query in queries.get(key, ())}
    return AdvisedChange(
        id=str(document["id"]),
        kind=str(document["kind"]),
        statements=tuple(map(str, document["statements"])),
        rewritten_sql=None if document["rewritten_sql"] is None else str(document["rewritten_sql"]),
        promised=promised,
        unit=unit,
    )


def _ratio(measured: Mapping[str, Any], unit: Unit) -> float | None:
    before, after = measured["before"][unit], measured["after"][unit]
    return after / before if before and after is not None else None


def _rewritten(sql: str, first: Query | None, queries: Sequence[Query]) -> Query | None:
    """The rewritten query in the new input: of the old one's database, or of the only one that has it."""
    try:
        fingerprint = identify(sql).fingerprint
    except SqlError:
        return None
    wanted = text_id(sql)
    alike = [query for query in queries if query.fingerprint in (fingerprint, None)]
    found = [query for query in alike if text_id(query.sql) == wanted]
    same = [query for query in found if first is not None and query.database == first.database]
    return same[0] if same else found[0] if len(found) == 1 else None


def _not_applied(query_id: str, first: Query | None, second: Query, promised: float | None) -> AdvisedQuery:
    """NEW has the query as it was, and not what it was to become."""
    return AdvisedQuery(
        old_id=query_id,
        new_id=second.id,
        outcome="cannot_tell",
        promised=promised,
        measured=None,
        old_mean_ms=first.mean_ms if first is not None else None,
        new_mean_ms=second.mean_ms,
        reason=f"not applied: NEW still has the query as it was, with {second.calls:,} calls",
    )


def _outcome(
    query_id: str,
    first: Query | None,
    second: Query | None,
    promised: float | None,
    noise: Noise,
    ensemble: Ensemble,
    min_calls: int,
) -> AdvisedQuery:
    outcome, ratio, reason = _measured(first, second, noise, ensemble, min_calls)
    return AdvisedQuery(
        old_id=query_id,
        new_id=second.id if second is not None else None,
        outcome=outcome,
        promised=promised,
        measured=ratio,
        old_mean_ms=first.mean_ms if first is not None else None,
        new_mean_ms=second.mean_ms if second is not None else None,
        reason=reason,
    )


def _measured(
    first: Query | None, second: Query | None, noise: Noise, ensemble: Ensemble, min_calls: int
) -> tuple[Outcome, Ratio | None, str]:
    if first is None or second is None:
        return "cannot_tell", None, f"the query is not in {'OLD' if first is None else 'NEW'}"
    old, new = durations(first), durations(second)
    calls = (old.calls if old else 0), (new.calls if new else 0)
    if old is None or new is None or min(calls) < min_calls:
        return "cannot_tell", None, f"not enough calls to tell: {calls[0]:,} and {calls[1]:,} with a duration"
    judged = judge_one(observed(pair := Timed(first, second, old, new), uncertainty(pair, noise)), ensemble)
    if judged.own.high < 1 and judged.ratio.value <= 1 / USEFUL:
        return "helped", judged.ratio, "faster beyond chance"
    if judged.own.low > 1:
        return "not_helped", judged.ratio, "slower beyond chance"
    if judged.own.low > 1 / HOPED:
        return "not_helped", judged.ratio, f"a gain of {HOPED} times would have been seen"
    return "cannot_tell", judged.ratio, "the change is within chance"


def _whole(advised: AdvisedChange, queries: tuple[AdvisedQuery, ...], used: frozenset[str] | None) -> AdviceOutcome:
    found = {query.outcome for query in queries}
    slower = any(query.reason == "slower beyond chance" for query in queries)
    outcome: Outcome = "cannot_tell"
    if "helped" in found and not slower:
        outcome = "helped"
    elif "not_helped" in found and (slower or found == {"not_helped"}):
        outcome = "not_helped"
    index = created_index(advised.statements) if advised.kind == "create_index" else None
    in_use = index in used if index is not None and used is not None else None
    helped = sum(query.outcome == "helped" for query in queries)
    reasons = [f"{helped} of {len(queries)} queries helped"] if len(queries) > 1 else [queries[0].reason]
    if index is not None and in_use is not None:
        reasons.append(f"{index} is {'used' if in_use else 'not used'} by the plans in NEW")
    elif index is not None:
        reasons.append("NEW has no plans that would show whether the index is there")
    return AdviceOutcome(
        recommendation=advised.id,
        kind=advised.kind,
        statements=advised.statements,
        rewritten_sql=advised.rewritten_sql,
        outcome=outcome,
        reason="; ".join(reasons),
        promised_by=advised.unit,
        in_use=in_use,
        queries=queries,
    )
