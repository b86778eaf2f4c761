"""The plan of one table within a load: its facts, the parents it may point to, and how many rows pass its checks."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg

from advisor.model.names import QualifiedName
from advisor.model.profile import ColumnProfile, TableProfile
from advisor.sandbox.rows.bounds import within_bounds
from advisor.sandbox.rows.facts import Facts, raw_facts, within_checks
from advisor.sandbox.rows.keys import Parents
from advisor.sandbox.rows.shape import ForeignKey, TableShape
from advisor.sandbox.rows.shared import prepare_shared
from advisor.sandbox.rows.table import (
    LEAST_YIELD,
    Plan,
    eased,
    key_numbers,
    make_keys,
    make_plan,
    sample_of_unknown,
    spelled_by_server,
    valid_facts,
    yields,
)
from advisor.sandbox.rows.types import is_known
from advisor.sql.quote import quote_name

Connection = psycopg.Connection[Any]
Warn = Callable[[str], None]
Guard = Callable[[str], AbstractContextManager[None]]
"""Entered around the work on a table or view, with its name as SQL."""


def unguarded(_name: str) -> AbstractContextManager[None]:
    """A guard that does nothing."""
    return nullcontext()


_CREATED = re.compile(
    r"(created|inserted|added|placed|ordered|occurred|logged|recorded|posted|published|received|registered|event)"
    r"_?(at|on|time|date|ts)?|timestamp|ts|time|date|creation_(date|time)|date_(created|added)",
    re.IGNORECASE,
)


@dataclass(slots=True, kw_only=True)
class Load:
    """What one load knows; it lives as long as the load's transaction."""

    connection: Connection
    shapes: Mapping[QualifiedName, TableShape]
    profiles: Mapping[QualifiedName, TableProfile]
    foreign_keys: Sequence[ForeignKey]
    wanted: Mapping[QualifiedName, int]
    seed: int
    warn: Warn
    filled: dict[QualifiedName, int] = field(default_factory=dict)
    key_tables: int = 0
    without: Collection[str] = ()
    guard: Guard = unguarded


def _facts(load: Load, shape: TableShape) -> dict[str, Facts]:
    profile = load.profiles[shape.name]
    rows = load.wanted[shape.name]
    facts = {}
    for column in shape.columns:
        known = profile.columns.get(column.name, ColumnProfile())
        raw = valid_facts(load.connection, column, raw_facts(column, known, profile.rows, rows))
        raw = spelled_by_server(load.connection, column, raw)
        if raw.correlation is None and column.base_name in ("timestamp", "timestamptz", "date"):
            raw = replace(raw, correlation=1.0 if _CREATED.fullmatch(column.name) else None)
        if not is_known(column) and not raw.common:
            raw = replace(raw, allowed=sample_of_unknown(load.connection, column))
        raw = within_checks(column, raw, (*shape.checks, *column.checks))
        facts[column.name] = within_bounds(shape, column, raw)
    return facts


def plan_table(load: Load, shape: TableShape, wanted: int) -> Plan:
    """The plan, drawn wider where checks let only a part of the rows pass."""
    facts = _facts(load, shape)
    keys = [key for key in load.foreign_keys if key.table == shape.name]
    keys = [key for key in keys if key.parent in load.filled or key.parent in load.shapes or _exists(load, key)]
    parents = {key.name: _parents(load, key, facts) for key in keys}
    wanted = _without_parents(shape, keys, parents, wanted)
    for key in keys:
        if parents[key.name].count == 0:
            facts |= {
                name: replace(facts[name], nulls=1.0) for name in key.columns if not must_not_be_null(shape, name)
            }
    shared = prepare_shared(load.connection, shape, facts, keys, parents)
    plan = make_plan(shape, facts, keys, parents, wanted, load.seed, shared=shared)
    share = yields(load.connection, plan)[-1]
    if share < LEAST_YIELD:
        facts = eased(load.connection, plan, facts, load.seed)
        plan = make_plan(shape, facts, keys, parents, wanted, load.seed, shared=shared)
        share = yields(load.connection, plan)[-1]
    if share >= 1 - 1e-9 or share == 0 or wanted == 0:
        return plan
    drawn = int(wanted / max(share, LEAST_YIELD) * 1.1) + 50
    return make_plan(shape, facts, keys, parents, drawn, load.seed, keep=wanted, shared=shared)


def must_not_be_null(shape: TableShape, name: str) -> bool:
    return any(column.not_null for column in shape.columns if column.name == name)


def _without_parents(shape: TableShape, keys: Sequence[ForeignKey], parents: Mapping[str, Parents], wanted: int) -> int:
    """No rows where a foreign key that may not be NULL has nothing to point to."""
    for key in keys:
        if parents[key.name].count == 0 and all(must_not_be_null(shape, name) for name in key.columns):
            return 0
    return wanted


def _exists(load: Load, key: ForeignKey) -> bool:
    row = load.connection.execute("SELECT to_regclass(%s) IS NOT NULL", [quote_name(key.parent)]).fetchone()
    return bool(row and row[0])


def _parents(load: Load, key: ForeignKey, facts: Mapping[str, Facts]) -> Parents:
    """The rows the key may point to: those that are there, or, in a circle, those that will be."""
    load.key_tables += 1
    table = f"synth_keys_{load.key_tables}"
    if key.parent in load.filled or key.parent not in load.shapes:
        count = make_keys(load.connection, table, key.parent_columns, quote_name(key.parent))
    else:
        plan = _future(load, key)
        if plan is None:
            return Parents(keys=table, count=0)
        count = make_keys(
            load.connection,
            table,
            key.parent_columns,
            f"({plan.select(key.parent_columns)}) r",
            order="ORDER BY synth_row",
        )
    values: list[str] = []
    if len(key.columns) == 1:
        known = facts[key.columns[0]]
        values = [*(value for value, _ in known.common), *known.seen]
    return Parents(keys=table, count=count, numbers=key_numbers(load.connection, table, values) if count else {})


def _future(load: Load, key: ForeignKey) -> Plan | None:
    """The plan of a table that is not filled yet, for its key; None where that is a foreign key itself."""
    shape = load.shapes[key.parent]
    bound = {name for other in load.foreign_keys if other.table == key.parent for name in other.columns}
    if not bound.isdisjoint(key.parent_columns):
        return None
    plan = make_plan(shape, _facts(load, shape), (), {}, load.wanted[key.parent], load.seed)
    return plan if all(name in plan.draws for name in key.parent_columns) else None
