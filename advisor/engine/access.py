"""How a query reads its tables, and which index would read them better."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from math import inf
from typing import Literal

from advisor.engine.access_keys import (
    BYTE_ORDER_COLLATIONS,
    Conditions,
    branch_conditions,
    conditions_of,
    distinct_keys,
    key_of,
    sort_keys,
    stays_first,
)
from advisor.engine.access_selectivity import kept_share
from advisor.engine.access_serving import key_name, matched_equalities, serves_order, usable
from advisor.model.advice import IndexNeed
from advisor.model.catalog import Catalog, Index, IndexKey, Table
from advisor.model.profile import DataProfile
from advisor.model.usage import Predicate, Scope, TableUse, Usage
from advisor.sql.quote import quote_literal

Reason = Literal["filter", "sort", "join", "alternatives"]

BIG_TABLE_ROWS = 10_000
"""A smaller table is read in full in about a millisecond."""

UNSELECTIVE_SHARE = 0.5
"""A key that keeps half of the rows or more only makes an index wider."""

SELECTIVE_SHARE = 0.1
"""Beyond a tenth of the rows a sequential scan usually wins: an index then touches nearly every page."""

FEW_ROWS = 1_000
"""Rows read through an existing index that are few enough: about a millisecond."""

MUCH_BETTER = 10.0
"""A new index beside one that is in use must read this many times fewer rows."""

DEFAULT_LIMIT = 100
"""Rows wanted where the LIMIT's value is not known: a page."""

MAX_DRIVING_ROWS = 10_000
"""Rows of the outer side of a join beyond which the planner rather hashes than looks each one up."""

INDEXED_KINDS = frozenset({"table", "materialized_view", "partitioned_table"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """One reading of a table in one query level, and the index wanted for it.

    Attributes:
        needs: one; for an OR over different columns, one per branch, useful only together.
        predicates: the conditions the index would take part in.
        rows: believed rows of the table.
        kept: rows that would be read through the wanted index.
        read: rows that are read at present: through the best existing index, else all of them.
        served_by: the existing index that does well enough.
    """

    table: Table
    alias: str
    scope: Scope
    reason: Reason
    needs: tuple[IndexNeed, ...]
    predicates: tuple[Predicate, ...]
    rows: float
    kept: float
    read: float
    served_by: Index | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Use:
    """A table of known size in a query level, with everything that judging its access takes."""

    query_id: str
    scope: Scope
    use: TableUse
    table: Table
    rows: float
    conditions: Conditions
    catalog: Catalog
    profile: DataProfile

    def share(self, predicates: Collection[Predicate]) -> float:
        return kept_share(predicates, self.table, self.rows, self.profile)


def accesses(query_id: str, usage: Usage, catalog: Catalog, profile: DataProfile) -> Iterator[Access]:
    """Every reading of a table that an index could serve, whether or not one does already.

    Tables whose size nobody knows, views and foreign tables are left out. At most one per table and query level:
    its own conditions and sort first, then its ORs, then its joins.
    """
    around: dict[int, float] = {}
    for scope in usage.scopes:
        # A level with aggregates or a LIMIT of its own cannot be turned into a join: it is run for each outer row.
        looked_up = scope.aggregates or scope.limit or around.get(scope.depth - 1, inf) <= MAX_DRIVING_ROWS
        uses = [_use(query_id, scope, use, catalog, profile, looked_up=looked_up) for use in scope.tables]
        known = [use for use in uses if use is not None]
        around[scope.depth] = max((rows for rows, _ in _driving_rows(known).values()), default=inf)
        for use in known:
            found = _filter_or_sort(use) or _alternatives(use) or _join(use, known)
            if found is not None:
                yield found


def _use(
    query_id: str, scope: Scope, use: TableUse, catalog: Catalog, profile: DataProfile, *, looked_up: bool
) -> _Use | None:
    table = catalog.tables.get(use.table) if use.table else None
    if table is None or table.name not in profile or table.kind not in INDEXED_KINDS:
        return None
    return _Use(
        query_id=query_id,
        scope=scope,
        use=use,
        table=table,
        rows=float(profile[table.name].rows),
        conditions=conditions_of(scope, use, table, looked_up=looked_up),
        catalog=catalog,
        profile=profile,
    )


def _filter_or_sort(use: _Use) -> Access | None:
    """The access by the table's own conditions and the level's sort; None where that keeps most of the rows."""
    equality = tuple(p for p in use.conditions.equality if use.share([p]) < UNSELECTIVE_SHARE)
    ranges = _best_range(use)
    filtered = use.rows * use.share((*equality, *ranges))
    order = _order(use)
    walked = _walked(use, equality, order)
    early = walked < filtered and walked < SELECTIVE_SHARE * use.rows
    if order and early and not (ranges and filtered <= FEW_ROWS):
        return _access(use, "sort", equality, (), order, walked)
    if (equality or ranges) and filtered < SELECTIVE_SHARE * use.rows:
        return _access(use, "filter", equality, ranges, () if ranges else order, filtered)
    return None


def _best_range(use: _Use) -> tuple[Predicate, ...]:
    """All conditions on the one ranged column that keeps the fewest rows."""
    columns = sorted({p.column or "" for p in use.conditions.ranges})
    grouped = [tuple(p for p in use.conditions.ranges if p.column == column) for column in columns]
    best = min(grouped, key=use.share, default=())
    return best if best and use.share(best) < UNSELECTIVE_SHARE else ()


def _order(use: _Use) -> tuple[IndexKey, ...]:
    """The sort an index could give; none where one row is left, or others than this table decide what remains."""
    constant = {p.column for p in use.conditions.equality if p.column and not _is_list(p)}
    if _is_unique(use.table, constant) or use.conditions.unclear or not stays_first(use.scope, use.use):
        return ()
    if any(_is_list(p) and use.share([p]) < UNSELECTIVE_SHARE for p in use.conditions.equality):
        return ()
    return sort_keys(use.scope, use.use, use.table, constant)


def _is_list(predicate: Predicate) -> bool:
    """Whether several values are asked for: the rows of each are in order, but not those of all."""
    return predicate.value.kind == "list" or predicate.operator not in {"=", "is null"}


def _is_unique(table: Table, constant: Collection[str]) -> bool:
    return any(
        index.unique and usable(index) and all(key.column in constant for key in index.keys) for index in table.indexes
    )


def _walked(use: _Use, equality: tuple[Predicate, ...], order: tuple[IndexKey, ...]) -> float:
    """Rows read in order until the LIMIT is reached: the more the other conditions take away, the further."""
    of_equals = use.rows * use.share(equality)
    others = [p for p in use.conditions.local if p not in equality and not (order and p.column == order[0].column)]
    if any(p.kind in {"pattern", "other"} or p.column is None for p in others):
        return of_equals
    return min(of_equals, wanted_rows(use.scope) / max(use.share(others), 1e-9))


def wanted_rows(scope: Scope) -> float:
    """Rows after which the level may stop: its LIMIT, several pages of it where there is an OFFSET."""
    value = scope.limit_value
    constant = value.text if value is not None and value.kind == "constant" else None
    limit = float(constant) if constant is not None and constant.isdecimal() else float(DEFAULT_LIMIT)
    return limit * 10 if scope.offset else limit


def _access(
    use: _Use,
    reason: Reason,
    equality: tuple[Predicate, ...],
    ranges: tuple[Predicate, ...],
    order: tuple[IndexKey, ...],
    kept: float,
    loops: float = 1.0,
) -> Access:
    index, read = _best_existing(use, (*use.conditions.equality, *equality), order, loops)
    served = index is not None and read <= max(FEW_ROWS, MUCH_BETTER * kept)
    return Access(
        table=use.table,
        alias=use.use.alias,
        scope=use.scope,
        reason=reason,
        needs=(_need(use, equality, ranges, order),),
        predicates=(*equality, *ranges),
        rows=use.rows,
        kept=max(1.0, kept),
        read=read,
        served_by=index if served else None,
    )


def _need(
    use: _Use, equality: tuple[Predicate, ...], ranges: tuple[Predicate, ...], order: tuple[IndexKey, ...] = ()
) -> IndexNeed:
    fetched = () if use.scope.star else tuple(r.column for r in use.scope.columns_used if r.alias == use.use.alias)
    return IndexNeed(
        table=use.table.name,
        query_id=use.query_id,
        equality=distinct_keys(key for p in equality if (key := key_of(p, use.table)) is not None),
        range=distinct_keys(key for p in ranges if (key := key_of(p, use.table)) is not None),
        order=order,
        fetched=tuple(dict.fromkeys(fetched)),
    )


def _best_existing(
    use: _Use, equality: tuple[Predicate, ...], order: tuple[IndexKey, ...], loops: float
) -> tuple[Index | None, float]:
    """The existing index that reads the fewest rows, and how many; (None, all rows) where none helps.

    `loops` is how often an index on a join column is looked up.
    """
    written = [text for p in use.conditions.local for text in _written(p)]
    best: tuple[Index | None, float] = (None, use.rows)
    for index in use.table.indexes:
        read = _rows_read(use, index, equality, order, loops) if usable(index, written) else use.rows
        if read < best[1]:
            best = (index, read)
    return best


def _written(predicate: Predicate) -> Iterator[str]:
    """The condition as an index's predicate would print it, the constant with and without quotes."""
    left, text = predicate.column or predicate.expression, predicate.value.text
    if predicate.kind == "equality" and predicate.operator == "=" and text in {"true", "t", "false", "f"}:
        yield f"{left}" if text in {"true", "t"} else f"NOT {left}"
    if text is None:
        yield f"{left} {predicate.operator}"
    else:
        yield f"{left} {predicate.operator} {quote_literal(text)}"
        yield f"{left} {predicate.operator} {text}"


def _rows_read(
    use: _Use, index: Index, equality: tuple[Predicate, ...], order: tuple[IndexKey, ...], loops: float
) -> float:
    by_name = {key_name(_plain_key(p)): p for p in equality}
    if index.method not in {"btree", "hash", "brin"}:
        return use.rows
    count = matched_equalities(index.keys, by_name)
    if index.method == "hash" and count < len(index.keys):
        return use.rows
    matched = [by_name[key_name(key)] for key in index.keys[:count]]
    looked_up = loops if any(p in use.conditions.joins for p in matched) else 1.0
    if count == len(index.keys) and index.unique:
        return looked_up
    following = index.keys[count : count + 1]
    ranged = [p for p in use.conditions.ranges for key in following if _range_uses(use, p, key)]
    read = looked_up * use.rows * use.share([*matched, *ranged])
    if order and index.method == "btree" and serves_order(index.keys, by_name, order):
        read = min(read, _walked(use, tuple(matched), order))
    return read


def _plain_key(predicate: Predicate) -> IndexKey:
    return IndexKey(column=predicate.column, expression=predicate.expression)


def _range_uses(use: _Use, predicate: Predicate, key: IndexKey) -> bool:
    if key_name(_plain_key(predicate)) != key_name(key):
        return False
    if predicate.kind != "prefix" or (key.operator_class or "").endswith("pattern_ops"):
        return True
    column = use.table.column(predicate.column or "")
    collation = (column.collation if column else None) or use.catalog.settings.get("lc_collate")
    return collation in BYTE_ORDER_COLLATIONS


def _alternatives(use: _Use) -> Access | None:
    """An OR over this table whose every branch an index could serve: together they make a bitmap scan."""
    for branches in use.scope.alternatives:
        if any(p.alias != use.use.alias or p.only_when not in {None, use.use.alias} for b in branches for p in b):
            continue
        found = [_branch(use, branch) for branch in branches]
        served = [access for access in found if access is not None]
        kept = sum(access.kept for access in served)
        if len(served) < len(branches) or kept >= SELECTIVE_SHARE * use.rows:
            continue
        missing = [access for access in served if access.served_by is None] or served
        return replace(
            served[0],
            reason="alternatives",
            needs=tuple(dict.fromkeys(need for access in missing for need in access.needs)),
            predicates=tuple(p for access in served for p in access.predicates),
            kept=kept,
            read=max(access.read for access in served),
            served_by=missing[0].served_by,
        )
    return None


def _branch(use: _Use, branch: tuple[Predicate, ...]) -> Access | None:
    scope = replace(use.scope, order_by=(), limit=False)
    return _filter_or_sort(replace(use, scope=scope, conditions=branch_conditions(branch, use.scope, use.table)))


def _join(use: _Use, known: list[_Use]) -> Access | None:
    """The access by join columns, where the other side's rows are few enough to look each one up."""
    driving = _driving_rows(known)
    found: list[Access] = []
    for partner in known:
        outer, path = driving.get(partner.use.alias, (use.rows, ()))
        joins = _joins_to(use, partner)
        kept = outer * use.rows * use.share(joins)
        if joins and outer <= MAX_DRIVING_ROWS and use.use.alias not in path and kept < SELECTIVE_SHARE * use.rows:
            found.append(_access(use, "join", joins, (), (), kept, loops=outer))
    return min(found, key=lambda access: access.kept, default=None)


def _joins_to(use: _Use, partner: _Use) -> tuple[Predicate, ...]:
    alias = partner.use.alias
    return tuple(p for p in use.conditions.joins if p.value.reference is not None and p.value.reference.alias == alias)


def _driving_rows(known: list[_Use]) -> dict[str, tuple[float, tuple[str, ...]]]:
    """By alias: the fewest rows that can be had of a table, and the path of joins by which they are reached.

    A table starts with what its own conditions keep; looked up from another it has that one's rows times its own per
    key. A table that an outer join makes optional can only be reached, never be a start.
    """
    found: dict[str, tuple[float, tuple[str, ...]]] = {
        use.use.alias: (use.rows * use.share(use.conditions.local), (use.use.alias,))
        for use in known
        if not use.use.nullable
    }
    pairs = [(inner, outer, joins) for inner in known for outer in known if (joins := _joins_to(inner, outer))]
    for _ in known:
        before = dict(found)
        for inner, outer, joins in pairs:
            rows, path = found.get(outer.use.alias, (inf, ()))
            if not path or inner.use.alias in path:
                continue
            reached = rows * inner.rows * inner.share((*joins, *inner.conditions.local))
            if reached < found.get(inner.use.alias, (inf, ()))[0]:
                found[inner.use.alias] = (reached, (*path, inner.use.alias))
        if found == before:
            break
    return found
