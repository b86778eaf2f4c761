"""From a query that repeats within units of work to a loop over another query's rows, or to nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from advisor.engine.relations import LookUp, is_reference, look_ups, related
from advisor.engine.undeclared import comparable, loose_reference, named_reference, stem_of
from advisor.model.advice import Confidence
from advisor.model.evidence import Evidence
from advisor.model.instants import instant_text
from advisor.model.usage import Usage
from advisor.model.workload import Query, Repetition, RepetitionInstance
from advisor.sql.usage import usage_of

MIN_VALUES = 5
"""Different keys in one unit: two or three look-ups of a kind are how any page is built, five are a loop."""

MIN_CALLS_PER_PARENT = 2.0
"""Look-ups per execution of the parent: a session that serves many small requests has one of each."""

MIN_DISTINCT_SHARE = 0.5
"""Of the look-ups, those with a new value: the same value again and again wants a cache, not a batch."""

MIN_UNITS_UNDECLARED = 3
"""Units in which look-ups follow a query that no foreign key and no name connects with them: once is chance."""

ROW_COUNT_TOLERANCE = 0.1
"""The parent's rows may differ from the keys looked up by this share (NULLs, duplicates) and still prove the loop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """A look-up once per row of the parent.

    Attributes:
        proof: `row_count` where the parent returned as many rows as keys were looked up, else `structural`.
        total_ms: time the application waited in the loops: the look-ups and the pauses between them.
        saved_ms: of it, what one round trip per unit would not take.
    """

    repetition: Repetition
    key: LookUp
    parent: Query
    proof: Literal["structural", "row_count"]
    confidence: Confidence
    calls_saved: int
    total_ms: float
    saved_ms: float
    instances: Sequence[dict[str, Any]]


def loop_of(repetition: Repetition, evidence: Evidence) -> Loop | None:
    """The loop, where the look-up is by a key that the rows of an earlier query of the same unit name."""
    loops = [i for i in repetition.instances if _is_loop(i)]
    query = evidence.workload.query(repetition.query_id)
    if query is None or evidence.catalog is None or repetition.query_id not in evidence.usages or not loops:
        return None
    # The normalised text: there every value is a parameter, numbered like the values of the instances.
    keys = look_ups(usage_of(query.sql, evidence.catalog), evidence.catalog)
    for key in keys:
        found = _parent(repetition, key, loops, evidence) if _only_key_varies(loops, key) else None
        if found is not None:
            return _loop(repetition, key, loops, *found)
    return None


def _loop(
    repetition: Repetition, key: LookUp, loops: Sequence[RepetitionInstance], parent: Query, declared: bool
) -> Loop:
    by_rows = _by_rows(repetition, loops, parent.id)
    saved = repetition.calls - repetition.units
    total_ms = (repetition.duration_us + repetition.gap_us) / 1000
    return Loop(
        repetition=repetition,
        key=key,
        parent=parent,
        proof="row_count" if by_rows else "structural",
        confidence="high" if declared and (by_rows or repetition.units_repeated > 1) else "medium",
        calls_saved=saved,
        total_ms=round(total_ms, 3),
        saved_ms=round(total_ms * saved / repetition.calls, 3),
        instances=[_instance(i, parent.id) for i in loops],
    )


def _is_loop(instance: RepetitionInstance) -> bool:
    enough = instance.distinct_parameters >= MIN_VALUES
    return enough and instance.distinct_parameters >= instance.calls * MIN_DISTINCT_SHARE


def _parent(
    repetition: Repetition, key: LookUp, loops: Sequence[RepetitionInstance], evidence: Evidence
) -> tuple[Query, bool] | None:
    """The latest query before the look-ups that ran much more rarely and whose rows lead to their keys.

    They may lead there over another look-up of the same loop: per shipment its order, per order its address. With it
    comes whether foreign keys say so, or names, types and numbers of rows alone.
    """
    calls = sum(i.calls for i in repetition.instances) / max(len(repetition.instances), 1)
    rare = [
        (ancestor.query_id, usage)
        for ancestor in repetition.ancestors
        if (usage := evidence.usages.get(ancestor.query_id)) is not None and usage.kind == "select"
        if calls >= MIN_CALLS_PER_PARENT * ancestor.calls / max(ancestor.units, 1)
    ]
    declared = (i for i, usage in rare if key.declared and _leads_to(usage, key, repetition, evidence))
    undeclared = (i for i, usage in rare if _seems_to_lead(i, usage, key, repetition, loops, evidence))
    for found, is_declared in ((next(declared, None), True), (next(undeclared, None), False)):
        parent = evidence.workload.query(found) if found else None
        if parent is not None:
            return parent, is_declared
    return None


def _leads_to(parent: Usage, key: LookUp, repetition: Repetition, evidence: Evidence) -> bool:
    catalog = evidence.catalog
    assert catalog is not None
    if related(parent, key, catalog):
        return True
    for query_id in repetition.between:
        query, between = evidence.workload.query(query_id), evidence.usages.get(query_id)
        if query is None or between is None or not related(between, key, catalog):
            continue
        others = look_ups(usage_of(query.sql, catalog), catalog)
        if any(other.declared and related(parent, other, catalog) for other in others):
            return True
    return False


def _seems_to_lead(
    parent_id: str,
    parent: Usage,
    key: LookUp,
    repetition: Repetition,
    loops: Sequence[RepetitionInstance],
    evidence: Evidence,
) -> bool:
    """Whether the parent leads to the keys although no foreign key says so."""
    catalog = evidence.catalog
    assert catalog is not None
    if is_reference(catalog.tables[key.table], key.column):
        return False
    kinds = {k[n - 1] for i in loops for k in i.keys for n in key.beside if n <= len(k)}
    if named_reference(parent, key, catalog, frozenset(kind for kind in kinds if kind)):
        return True
    units = repetition.instances
    if parent_id != repetition.parent_id or len(units) < MIN_UNITS_UNDECLARED:
        return False
    if any(i.parent_rows is not None for i in units):
        likely = key.unique or stem_of(key.column) is not None
        return likely and comparable(parent, key, catalog) and _by_rows(repetition, units, parent_id)
    return len(loops) >= MIN_UNITS_UNDECLARED and loose_reference(parent, key, catalog)


def _by_rows(repetition: Repetition, loops: Sequence[RepetitionInstance], parent_id: str) -> bool:
    """Whether the parent returned as many rows as keys were looked up, wherever its rows were counted."""
    counted = [i for i in loops if i.parent_rows is not None] if parent_id == repetition.parent_id else []
    return bool(counted) and all(_rows_match(i) for i in counted)


def _only_key_varies(loops: Sequence[RepetitionInstance], key: LookUp) -> bool:
    """Whether the other values stay the same within each unit: only then can one query answer for all keys."""
    for instance in loops:
        others = {k[: key.parameter - 1] + k[key.parameter :] for k in instance.keys}
        if len(others) > 1:
            return False
    return True


def _rows_match(instance: RepetitionInstance) -> bool:
    rows = instance.parent_rows or 0
    return abs(rows - instance.distinct_parameters) <= max(1.0, rows * ROW_COUNT_TOLERANCE)


def _instance(instance: RepetitionInstance, parent_id: str) -> dict[str, Any]:
    return {
        "session": instance.session,
        "from": instant_text(instance.from_us),
        "to": instant_text(instance.to_us),
        "calls": instance.calls,
        "parent_query": parent_id,
    }
