"""What a running statement does to the relations of a database: locks, new files, scans, rows.

Read within the statement's own transaction where only that sees it (`pg_class`, `pg_stat_xact_all_tables`), and over
a second connection where the transaction is someone else's (`pg_locks`). All names are qualified, so that a
migration's `search_path` cannot put its own relations or operators in their place.
"""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from typing import Any

import psycopg

from advisor.model.migration import Lock
from advisor.model.names import QualifiedName

LOCK_MODES = (
    "AccessShareLock",
    "RowShareLock",
    "RowExclusiveLock",
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
)
"""Weakest first. Source: https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES"""

BLOCKS_WRITES = frozenset(LOCK_MODES[4:])
"""What conflicts with the ROW EXCLUSIVE of INSERT, UPDATE and DELETE."""

BLOCKS_READS = frozenset(LOCK_MODES[7:])
"""What conflicts with the ACCESS SHARE of SELECT."""

_TABLE_KINDS = frozenset("rpmvf")
_STORED_KINDS = frozenset("rm")
_INDEX_KINDS = frozenset("iI")

_RELATIONS = """
SELECT c.oid, n.nspname, c.relname, c.relkind::pg_catalog.text, c.relfilenode,
       CASE WHEN c.relkind OPERATOR(pg_catalog.=) ANY ('{r,m}'::pg_catalog."char"[])
            THEN pg_catalog.pg_relation_size(c.oid) ELSE 0 END,
       i.indrelid, i.indisvalid, k.oid IS NOT NULL, h.inhparent,
       pg_catalog.string_to_array(i.indkey::pg_catalog.text, ' '),
       ARRAY (SELECT a.attnum::pg_catalog.text FROM pg_catalog.pg_attribute a
               WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid AND a.attisdropped)
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
  LEFT JOIN pg_catalog.pg_index i ON i.indexrelid OPERATOR(pg_catalog.=) c.oid
  LEFT JOIN pg_catalog.pg_inherits h ON h.inhrelid OPERATOR(pg_catalog.=) c.oid AND i.indexrelid IS NOT NULL
  LEFT JOIN pg_catalog.pg_constraint k ON k.conindid OPERATOR(pg_catalog.=) c.oid
        AND k.contype OPERATOR(pg_catalog.=) ANY ('{p,u,x}'::pg_catalog."char"[])
 WHERE c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,m,v,f,i,I}'::pg_catalog."char"[])
   AND n.nspname OPERATOR(pg_catalog.<>) ALL ('{pg_catalog,pg_toast,information_schema}'::pg_catalog.name[])
"""
_ACTIVITY = """
SELECT relid, seq_scan, n_tup_ins, n_tup_upd, n_tup_del FROM pg_catalog.pg_stat_xact_all_tables
"""
_LOCKS = """
SELECT relation, mode, granted FROM pg_catalog.pg_locks
 WHERE pid = %s AND (locktype = 'relation' OR NOT granted)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A table, view or index by its OID.

    Attributes:
        table: of an index, the OID of its table; `parent`: the OID of the partitioned index that it is a part of.
        constraint: the index backs one.
        keys: of an index, the numbers of its columns; `dropped`: of a table, the numbers of columns it had once.
    """

    oid: int
    name: QualifiedName
    kind: str
    file: int
    size_bytes: int
    table: int | None
    valid: bool
    constraint: bool
    parent: int | None = None
    keys: frozenset[str] = frozenset()
    dropped: frozenset[str] = frozenset()

    @property
    def is_index(self) -> bool:
        return self.kind in _INDEX_KINDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """Counters of the present transaction: sequential scans begun, rows inserted, updated and deleted."""

    scans: int = 0
    inserted: int = 0
    updated: int = 0
    deleted: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldLocks:
    """Relation locks of one backend, held or waited for, by (OID, mode); `waiting`: it waits for any lock."""

    relations: frozenset[tuple[int, str]] = frozenset()
    waiting: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """The relations and the transaction's counters at one moment."""

    relations: Mapping[int, Relation]
    activity: Mapping[int, Activity]


def read_relations(connection: psycopg.Connection[Any]) -> dict[int, Relation]:
    """Every user relation as the connection's transaction sees it, by OID."""
    found = {}
    for oid, schema, name, kind, file, size, table, valid, constraint, *rest in connection.execute(_RELATIONS):
        parent, keys, dropped = rest
        found[oid] = Relation(
            oid=oid,
            name=QualifiedName(schema, name),
            kind=kind,
            file=file,
            size_bytes=size or 0,
            table=table,
            valid=valid is not False,
            constraint=constraint,
            parent=parent,
            keys=frozenset(keys or ()),
            dropped=frozenset(dropped),
        )
    return found


def take_picture(connection: psycopg.Connection[Any]) -> Picture:
    """The relations and counters as the connection's open transaction sees them."""
    activity = {
        oid: Activity(scans=scans, inserted=inserted, updated=updated, deleted=deleted)
        for oid, scans, inserted, updated, deleted in connection.execute(_ACTIVITY)
    }
    return Picture(relations=read_relations(connection), activity=activity)


def read_locks(admin: psycopg.Connection[Any], pid: int) -> HeldLocks:
    """The locks of another backend, read while its transaction is open."""
    rows = admin.execute(_LOCKS, (pid,)).fetchall()
    return HeldLocks(
        relations=frozenset((oid, mode) for oid, mode, _ in rows if oid is not None),
        waiting=any(not granted for _, _, granted in rows),
    )


def name_locks(held: HeldLocks, existing: Set[int], relations: Mapping[int, Relation]) -> tuple[Lock, ...]:
    """The locks on relations that existed before, by name and strength, strongest first.

    Locks on indexes count only from SHARE UPDATE EXCLUSIVE up: planning any query takes weaker ones on all of them.
    """
    locks = []
    for oid, mode in held.relations:
        relation = relations.get(oid)
        if oid not in existing or relation is None or mode not in LOCK_MODES:
            continue
        if relation.kind in _TABLE_KINDS or LOCK_MODES.index(mode) >= 3:
            locks.append(Lock(relation.name, mode))
    return tuple(sorted(locks, key=lambda lock: (-LOCK_MODES.index(lock.mode), lock.relation)))


def lock_facts(locks: tuple[Lock, ...]) -> dict[str, Any]:
    """`max_lock`, `blocks_reads` and `blocks_writes` of a set of locks."""
    modes = {lock.mode for lock in locks}
    return {
        "locks": locks,
        "max_lock": max(modes, key=LOCK_MODES.index) if modes else None,
        "blocks_reads": bool(modes & BLOCKS_READS),
        "blocks_writes": bool(modes & BLOCKS_WRITES),
    }


def file_facts(before: Mapping[int, Relation], after: Mapping[int, Relation], existing: Set[int]) -> dict[str, Any]:
    """`rewrites`, `rebuilt_indexes` and `truncated`: which existing relations have a new file.

    A table whose new file is empty while the old one was not was truncated, not rewritten. An index is found again
    by its name, since ALTER COLUMN TYPE drops and creates it (keeping the file where it can be kept).
    """
    new_files = [
        (old, now)
        for oid, old in before.items()
        if oid in existing and old.kind in _STORED_KINDS and (now := after.get(oid)) and now.file != old.file
    ]
    truncated = tuple(old.name for old, now in new_files if old.size_bytes and not now.size_bytes)
    by_name = {relation.name: relation for relation in after.values() if relation.is_index}
    rebuilt = tuple(
        sorted(
            old.name
            for oid, old in before.items()
            if oid in existing and old.is_index and (now := by_name.get(old.name)) and now.file != old.file
        )
    )
    rewritten = tuple(sorted(old.name for old, _ in new_files if old.name not in truncated))
    return {"rewrites": rewritten, "rebuilt_indexes": rebuilt, "truncated": truncated}


def index_facts(before: Mapping[int, Relation], after: Mapping[int, Relation], existing: Set[int]) -> dict[str, Any]:
    """`new_indexes` and `dropped_indexes` on existing tables that stay.

    Each has `index`, `table`, `constraint` (it backs one), `with_column` (it went with a column of its own) and
    `part_of`: the partitioned index that came or went in the same statement, or None.
    """

    def named(indexes: Iterable[Relation]) -> tuple[dict[str, Any], ...]:
        changed = {index.oid: index for index in indexes}
        return tuple(
            {
                "index": str(index.name),
                "table": str(after[index.table].name),
                "constraint": index.constraint,
                "with_column": bool(index.keys & after[index.table].dropped),
                "part_of": str(changed[index.parent].name) if index.parent in changed else None,
            }
            for index in sorted(changed.values(), key=lambda i: i.oid)
            if index.is_index and index.table is not None and index.table in existing and index.table in after
        )

    names_before = {relation.name for relation in before.values()}
    names_after = {relation.name for relation in after.values()}
    return {
        "new_indexes": named(r for o, r in after.items() if o not in before and r.name not in names_before),
        "dropped_indexes": named(r for o, r in before.items() if o not in after and r.name not in names_after),
    }


def activity_facts(before: Picture, after: Picture, existing: Set[int]) -> dict[str, Any]:
    """`scans` and `rows_written` of existing tables between two pictures, and `rows_removed` among them."""
    scans, written, removed = [], {}, {}
    for oid, now in after.activity.items():
        relation = before.relations.get(oid)
        if oid not in existing or relation is None:
            continue
        then = before.activity.get(oid, Activity())
        if now.scans > then.scans:
            scans.append(relation.name)
        deleted = now.deleted - then.deleted
        rows = deleted + now.inserted - then.inserted + now.updated - then.updated
        if rows > 0:
            written[str(relation.name)] = rows
        if deleted > 0:
            removed[str(relation.name)] = deleted
    return {"scans": tuple(sorted(scans)), "rows_written": written, "rows_removed": removed}
