"""What the planner twin must know of types: the operators ANALYZE would name, and whose input runs no user's code."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg

Oid = int

FIRST_NORMAL_OID = 16384
"""Below it lies what initdb made (`FirstNormalObjectId` of `src/include/access/transam.h`)."""

TEXT: Oid = 25
FLOAT8: Oid = 701
TSVECTOR: Oid = 3614
_ARRAY, _RECORD, _ENUM, _RANGE, _MULTIRANGE = 2277, 2249, 3500, 3831, 4537
_POLYMORPHIC: Mapping[str, Oid] = {"c": _RECORD, "e": _ENUM, "r": _RANGE, "m": _MULTIRANGE}
"""The type that the operator class of such a type is for, by `pg_type.typtype`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeFacts:
    """A row of `pg_type`, with its row of `pg_range`; 0 where an oid does not apply.

    Attributes:
        kind: `typtype`.
        name: as DDL names it, without a modifier.
        base: a domain's type.
        element: of a true array.
        range: a multirange's range.
        subtype: a range's.
        plain_range: no canonical function and no comparison of a user's.
        parts: types of a composite's attributes.
        ours: made by initdb or by a superuser.
    """

    oid: Oid
    kind: str
    name: str
    base: Oid
    element: Oid
    delimiter: str
    category: str
    preferred: bool
    range: Oid
    subtype: Oid
    plain_range: bool
    parts: tuple[Oid, ...]
    ours: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Types:
    """A database's types.

    Attributes:
        less_than, equal: operators of the default operator class for a type, without any way round.
        wider: the types that a type is taken for without conversion (`varchar` for `text`).
    """

    facts: Mapping[Oid, TypeFacts]
    less_than: Mapping[Oid, Oid]
    equal: Mapping[Oid, Oid]
    wider: Mapping[Oid, tuple[Oid, ...]]


_TYPES = """
SELECT t.oid::int8, t.typtype::text, format_type(t.oid, -1), t.typbasetype::int8,
       CASE WHEN t.typlen = -1 THEN t.typelem::int8 ELSE 0 END, t.typdelim::text, t.typcategory::text,
       t.typispreferred, {multirange}::int8, coalesce(r.rngsubtype, 0)::int8,
       coalesce(r.rngcanonical::oid::int8 < %(first)s AND r.rngsubopc::int8 < %(first)s, false),
       ARRAY(SELECT a.atttypid::int8 FROM pg_attribute a
             WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped),
       t.oid::int8 < %(first)s OR (SELECT o.rolsuper FROM pg_roles o WHERE o.oid = t.typowner)
FROM pg_type t LEFT JOIN pg_range r ON r.rngtypid = t.oid
WHERE t.typtype <> 'p'"""

_MULTIRANGE_OF = "coalesce((SELECT m.rngtypid FROM pg_range m WHERE m.rngmultitypid = t.oid), 0)"

_OPERATORS = """
SELECT c.opcintype::int8, m.amname, o.amopstrategy::int, o.amopopr::int8
FROM pg_opclass c
JOIN pg_am m ON m.oid = c.opcmethod AND m.amname IN ('btree', 'hash')
JOIN pg_amop o ON o.amopfamily = c.opcfamily AND o.amoplefttype = c.opcintype AND o.amoprighttype = c.opcintype
WHERE c.opcdefault"""

_SAME_BYTES = "SELECT castsource::int8, casttarget::int8 FROM pg_cast WHERE castmethod = 'b' AND castcontext = 'i'"

_BTREE_LESS, _BTREE_EQUAL, _HASH_EQUAL = ("btree", 1), ("btree", 3), ("hash", 1)
"""Access method and strategy number (`src/include/access/stratnum.h`)."""


def read_types(connection: psycopg.Connection[Any]) -> Types:
    """The types of the connected database. The search path must hold `pg_catalog` alone."""
    multirange = _MULTIRANGE_OF if connection.info.server_version >= 140000 else "0"
    rows = connection.execute(_TYPES.format(multirange=multirange).encode(), {"first": FIRST_NORMAL_OID}).fetchall()
    operators = {
        (kind, method, strategy): operator
        for kind, method, strategy, operator in connection.execute(_OPERATORS.encode()).fetchall()
    }
    wider: dict[Oid, tuple[Oid, ...]] = {}
    for source, target in connection.execute(_SAME_BYTES.encode()).fetchall():
        wider[source] = (*wider.get(source, ()), target)
    return Types(
        facts={row[0]: _facts(row) for row in rows},
        less_than=_of_strategy(operators, _BTREE_LESS),
        equal=_of_strategy(operators, _HASH_EQUAL) | _of_strategy(operators, _BTREE_EQUAL),
        wider=wider,
    )


def _facts(row: tuple[Any, ...]) -> TypeFacts:
    oid, kind, name, base, element, delimiter, category, preferred, of, subtype, plain, parts, ours = row
    return TypeFacts(
        oid=oid,
        kind=kind,
        name=name,
        base=base,
        element=element,
        delimiter=delimiter,
        category=category,
        preferred=preferred,
        range=of,
        subtype=subtype,
        plain_range=plain,
        parts=tuple(parts),
        ours=ours,
    )


def _of_strategy(operators: Mapping[tuple[Oid, str, int], Oid], wanted: tuple[str, int]) -> dict[Oid, Oid]:
    return {kind: operator for (kind, method, strategy), operator in operators.items() if (method, strategy) == wanted}


def base_type(types: Types, oid: Oid) -> TypeFacts | None:
    """The type under any domains; None for a pseudo-type or one that is not there."""
    facts = types.facts.get(oid)
    while facts is not None and facts.kind == "d":
        facts = types.facts.get(facts.base)
    return facts


def element_type(types: Types, facts: TypeFacts) -> TypeFacts | None:
    """Of what the most common elements are: an array's element type, a tsvector's text; None for other types."""
    return base_type(types, TEXT if facts.oid == TSVECTOR else facts.element)


def less_than(types: Types, facts: TypeFacts) -> Oid | None:
    """The `<` of the type's default btree operator class, as `lookup_type_cache` finds it
    (`src/backend/utils/cache/typcache.c`)."""
    return _operator(types, types.less_than, facts)


def equality(types: Types, facts: TypeFacts) -> Oid | None:
    """The `=` of the type's default btree operator class, else of its hash one."""
    return _operator(types, types.equal, facts)


def _operator(types: Types, operators: Mapping[Oid, Oid], facts: TypeFacts) -> Oid | None:
    """As `GetDefaultOpClass` looks (`src/backend/commands/indexcmds.c`): the type's own operator class, else that of a
    preferred type of the same bytes and category, else of any other such type."""
    if facts.oid in operators:
        return operators[facts.oid]
    if facts.element:
        return operators.get(_ARRAY)
    if facts.kind in _POLYMORPHIC:
        return operators.get(_POLYMORPHIC[facts.kind])
    there = [types.facts[oid] for oid in types.wider.get(facts.oid, ()) if oid in operators and oid in types.facts]
    there.sort(key=lambda other: not (other.preferred and other.category == facts.category))
    return operators[there[0].oid] if there else None


def is_harmless(types: Types, oid: Oid) -> bool:
    """Whether the superuser may read values of the type from text without running code that a user wrote.

    Only superusers make base types and operator classes, so these are the server's or an allowed extension's. Domains
    have CHECKs and ranges may have functions of their own; arrays, ranges and composites are as good as their parts. A
    column's own domain does no harm: its values are read as the base type.
    """
    return all(_is_own_harmless(facts) for facts in _reached(types, oid, set()))


def _is_own_harmless(facts: TypeFacts | None) -> bool:
    if facts is None or facts.kind == "d":
        return False
    if facts.kind == "r":
        return facts.plain_range
    return facts.kind in ("e", "c", "m") or bool(facts.element) or facts.ours


def _reached(types: Types, oid: Oid, seen: set[Oid]) -> Iterator[TypeFacts | None]:
    """The type and all that it is made of; None for what is not a known type."""
    if oid in seen:
        return
    seen.add(oid)
    facts = types.facts.get(oid)
    yield facts
    if facts is not None:
        for part in (facts.element, facts.range, facts.subtype, *facts.parts):
            if part:
                yield from _reached(types, part, seen)
