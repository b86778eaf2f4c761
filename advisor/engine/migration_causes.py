"""Which statement of a migration made a query of the workload fail or slow: one cause, one finding."""

import re
from collections.abc import Iterable, Iterator

from advisor.engine.migration_facts import parse_name
from advisor.model.evidence import Evidence
from advisor.model.migration import Migration, TracedStatement, WorkloadChange

_HARMLESS = frozenset({"Transaction", "VariableSet", "Comment", "Insert", "Update", "Delete", "Copy", "CreateIndex"})
"""Kinds that neither take a name away nor change what a query does."""

_NAMES = re.compile(r'"([^"]+)"|\bfunction (\w+)\(|\bcolumn (?:\w+\.)?(\w+)\b|\b\w+\.(\w+)\b')
"""The names in a message of the server."""

_READS = re.compile(r" on ([^,]+)")
"""The relations in a plan's words."""


def missing_names(reason: str) -> tuple[str, ...]:
    """The names, without schemas, that the server's message complains of, in its order."""
    words = (next(filter(None, match.groups())) for match in _NAMES.finditer(reason))
    return tuple(dict.fromkeys(word.rsplit(".", 1)[-1] for word in words))


def statements_dropping(evidence: Evidence, index: str) -> Iterator[tuple[Migration, TracedStatement, str, str]]:
    """(file, statement, index, table) of every drop of an index of that name (without schema).

    One that goes with its constraint is not an index dropped: the constraint is. A part's index that goes with the
    partitioned one is reported as that.
    """
    for migration in evidence.migrations:
        for statement in migration.statements:
            drops = statement.details.get("dropped_indexes", ())
            whole = {drop["index"]: drop for drop in drops}
            for dropped in drops:
                if parse_name(dropped["index"]).name == index and not dropped["constraint"]:
                    while dropped["part_of"] in whole:
                        dropped = whole[dropped["part_of"]]
                    yield migration, statement, dropped["index"], dropped["table"]


def missed_indexes(evidence: Evidence) -> frozenset[str]:
    """Dropped indexes (without schema) whose queries got slower: what MIG003 reports."""
    changes = [change for migration in evidence.migrations for change in migration.workload]
    lost = {index for change in changes if change.change == "slower" for index in change.lost_indexes}
    return frozenset(index for index in lost if any(statements_dropping(evidence, index)))


def breaking_statement(migration: Migration, change: WorkloadChange, tables: Iterable[str]) -> TracedStatement | None:
    """The statement after which a query of those tables fails: the last that names what the server misses, else the
    first that locks one of the tables against readers."""
    acting = _acting(migration)
    for word in missing_names(change.reason):
        naming = [s for s in acting if re.search(rf"(?<!\w){re.escape(word)}(?!\w)", s.sql)]
        if naming:
            return naming[-1]
    return next(_locking(acting, _bare(tables)), None) or _first_heavy(migration, acting)


def slowing_statement(migration: Migration, change: WorkloadChange, tables: Iterable[str]) -> TracedStatement | None:
    """The statement after which a query of those tables got slower: the one that dropped its index, else rewrote or
    re-indexed a table of its plan, else locked one of them (or the view that it reads) against readers."""
    acting = _acting(migration)
    for statement in acting:
        dropped = {parse_name(drop["index"]).name for drop in statement.details.get("dropped_indexes", ())}
        if dropped & set(change.lost_indexes):
            return statement
    read = _bare(tables) | {name.strip() for name in _READS.findall(change.plan_before or "")}
    locking = list(_locking(acting, read))
    heavy = [s for s in locking if s.rewrites or s.rebuilt_indexes]
    return next(iter([*heavy, *locking]), None) or _first_heavy(migration, acting)


def _acting(migration: Migration) -> list[TracedStatement]:
    return [statement for statement in migration.statements if statement.kind not in _HARMLESS]


def _locking(statements: Iterable[TracedStatement], relations: frozenset[str]) -> Iterator[TracedStatement]:
    """Statements that lock one of the relations (names without schema) against readers, themselves where that is
    known: in a transaction the locks of those before are held, too."""
    for statement in statements:
        held = [(str(lock.relation), lock.mode) for lock in statement.locks or ()]
        new = statement.details.get("new_locks", held)
        if any(mode == "AccessExclusiveLock" and parse_name(name).name in relations for name, mode in new):
            yield statement


def _first_heavy(migration: Migration, acting: list[TracedStatement]) -> TracedStatement | None:
    everything = iter(acting or migration.statements)
    return next((statement for statement in acting if statement.blocks_reads), next(everything, None))


def _bare(tables: Iterable[str]) -> frozenset[str]:
    return frozenset(parse_name(table).name if "." in table else table for table in tables)
