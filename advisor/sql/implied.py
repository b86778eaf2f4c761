"""Equalities that follow from others: `a.x = b.y AND a.x = 5` says `b.y = 5` as well.

Source: equivalence classes, `src/backend/optimizer/README` and `path/equivclass.c`. Like there, only `=` takes part,
and here only where no outer join is between.
"""

from collections.abc import Iterable, Sequence

from advisor.model.usage import ColumnReference, Predicate, Value


def implied_equalities(predicates: Sequence[Predicate]) -> list[Predicate]:
    """The predicates that follow and are not written, marked `implied`."""
    equal = [p for p in predicates if p.column is not None and p.operator == "=" and p.only_when is None]
    found: list[Predicate] = []
    for members in _classes(equal):
        values = [p.value for p in equal if _own(p) in members and p.value.kind not in ("column", "subquery")]
        for member in sorted(members, key=lambda reference: (reference.alias, reference.column)):
            found += _missing(member, members, values, equal)
    return found


def _own(predicate: Predicate) -> ColumnReference:
    return ColumnReference(predicate.alias, predicate.column or "")


def _classes(equal: Iterable[Predicate]) -> list[set[ColumnReference]]:
    classes: list[set[ColumnReference]] = []
    for predicate in equal:
        if predicate.value.kind != "column" or predicate.value.reference is None or predicate.value.text is not None:
            continue
        joined = {_own(predicate), predicate.value.reference}
        touching = [members for members in classes if members & joined]
        classes = [members for members in classes if not members & joined]
        classes.append(joined.union(*touching))
    return classes


def _missing(
    member: ColumnReference, members: set[ColumnReference], values: Sequence[Value], equal: Sequence[Predicate]
) -> list[Predicate]:
    own = [predicate.value for predicate in equal if _own(predicate) == member]
    found = []
    if values and not any(value.kind not in ("column", "subquery") for value in own):
        found.append(_equality(member, values[0]))
    joined = {value.reference for value in own if value.kind == "column"}
    others = [other for other in members - joined if other.alias != member.alias]
    others.sort(key=lambda reference: (reference.alias, reference.column))
    return found + [_equality(member, Value(kind="column", reference=other)) for other in others]


def _equality(member: ColumnReference, value: Value) -> Predicate:
    return Predicate(alias=member.alias, column=member.column, kind="equality", operator="=", value=value, implied=True)
