"""How one statement uses tables and columns: what the rules look at instead of SQL text."""

from dataclasses import dataclass
from typing import Literal

from advisor.model.names import QualifiedName

StatementKind = Literal["select", "insert", "update", "delete", "merge", "utility"]
PredicateKind = Literal["equality", "range", "prefix", "pattern", "is_null", "is_not_null", "not_equal", "other"]


@dataclass(frozen=True, slots=True)
class ColumnReference:
    """A column of the table used under `alias` in the same scope."""

    alias: str
    column: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TableUse:
    """A table in a FROM list (or the target of a write).

    Attributes:
        alias: unique in its scope; the name by which predicates refer to it.
        table: the catalog's name; None for a subquery, a CTE, a function or an unknown relation.
        nullable: on the null-supplying side of an outer join.
        target: the table an UPDATE, DELETE, INSERT or MERGE writes.
    """

    alias: str
    table: QualifiedName | None
    nullable: bool = False
    target: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """The other side of a predicate.

    kind: `constant` (text is its value, None for NULL), `parameter` (number is n of `$n`), `list` (of `items`),
    `expression` (stable over the scan: `now() - interval '1 day'`; text is its SQL), `column` (a join), `subquery`.
    """

    kind: Literal["constant", "parameter", "list", "expression", "column", "subquery"]
    text: str | None = None
    number: int | None = None
    items: tuple["Value", ...] = ()
    reference: ColumnReference | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicate:
    """A condition on one column (or on an expression over one table) that every result row must meet.

    Attributes:
        column: the bare column; or None, and `expression` is the SQL over that table's columns
            (aliases stripped: `lower(email)`, `date_trunc('day', created_at)`).
        expression_columns: the columns within `expression`.
        operator: `=`, `<`, `<=`, `>`, `>=`, `in`, `like`, `ilike`, `is null`, `<>`, `@>`, …
        function: the outermost function or `cast:TYPE` of `expression`, for rules.
        implied: derived (a column equal to another that is equal to a constant), not written.
        only_when: the alias whose outer-join ON clause holds it, None for WHERE and inner joins.
    """

    alias: str
    kind: PredicateKind
    operator: str
    value: Value
    column: str | None = None
    expression: str | None = None
    expression_columns: tuple[str, ...] = ()
    function: str | None = None
    implied: bool = False
    only_when: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTerm:
    """One ORDER BY term: a column of a table of the scope, or an expression's SQL."""

    reference: ColumnReference | None
    expression: str | None = None
    descending: bool = False
    nulls_first: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """One query level: a SELECT, a branch of a UNION, a subquery, a CTE, or the body of an UPDATE or DELETE.

    Attributes:
        depth: 0 for the outermost.
        correlated: refers to columns of an outer level.
        predicates: the top-level AND conjuncts of WHERE, JOIN … ON and USING, one per column side
            (`a.x = b.y` gives two, each with the other as its value).
        alternatives: for each top-level OR: its branches, each a tuple of predicates.
        unresolved: conditions that were seen but not understood, as SQL.
        order_by: empty where there is none.
        limit: a LIMIT or FETCH FIRST is there; `limit_value` is it where constant or parameter.
        aggregates: has aggregates (one row per group); `group_by` may still be empty.
        outputs: the columns the level reads for its result, by table; star: it has `*` or `alias.*`.
        columns_used: every column of its tables that is mentioned anywhere in the level.
    """

    depth: int
    tables: tuple[TableUse, ...]
    predicates: tuple[Predicate, ...] = ()
    alternatives: tuple[tuple[tuple[Predicate, ...], ...], ...] = ()
    unresolved: tuple[str, ...] = ()
    order_by: tuple[OrderTerm, ...] = ()
    group_by: tuple[OrderTerm, ...] = ()
    distinct: bool = False
    aggregates: bool = False
    windows: bool = False
    limit: bool = False
    limit_value: Value | None = None
    offset: bool = False
    locking: bool = False
    correlated: bool = False
    star: bool = False
    outputs: tuple[ColumnReference, ...] = ()
    columns_used: tuple[ColumnReference, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """A statement as the rules see it. `writes` is the table it modifies; `set_columns` those an UPDATE assigns."""

    kind: StatementKind
    scopes: tuple[Scope, ...] = ()
    writes: QualifiedName | None = None
    set_columns: tuple[str, ...] = ()
    tables: tuple[QualifiedName, ...] = ()
    """Every known table it names, each once, in order of appearance."""
    volatile: bool = False
    """Calls a function that is not known to be immutable or stable."""
