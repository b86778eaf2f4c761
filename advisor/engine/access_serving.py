"""Whether an index serves a set of conditions and a sort, by btree's rules.

https://www.postgresql.org/docs/current/indexes-multicolumn.html and …/indexes-ordering.html
"""

import re
from collections.abc import Collection, Iterator, Sequence

from advisor.model.catalog import Index, IndexKey

_QUOTED = re.compile(r"('(?:[^']|'')*')")
_AND = re.compile(r"\bAND\b")

KeyName = tuple[str, str]
"""A key without its order: ("column", name) or ("expression", text without spaces, brackets and casts)."""


def key_name(key: IndexKey) -> KeyName:
    """What the key is on, so that two keys on the same thing are equal whatever their order."""
    if key.column is not None:
        return "column", key.column
    return "expression", expression_name(key.expression or "")


def expression_name(text: str) -> str:
    """An expression's text without what deparsing adds or leaves out: spaces, brackets, text casts, letter case."""
    parts = _QUOTED.split(text)
    # Odd parts are quoted: their case and spaces matter.
    bare = "".join(part if number % 2 else part.casefold() for number, part in enumerate(parts))
    bare = bare.replace("::character varying", "").replace("::text", "")
    parts = _QUOTED.split(bare)
    return "".join(p if n % 2 else "".join(c for c in p if c not in " ()\t\n") for n, p in enumerate(parts))


def usable(index: Index, conditions: Collection[str] = ()) -> bool:
    """Whether the planner may use the index: valid, and its predicate (if any) implied by the query's conditions.

    They are compared as text, conjunct by conjunct: what is implied only by reasoning does not count.
    """
    if index.predicate is None or not index.valid:
        return index.valid
    known = {expression_name(text) for text in conditions}
    return {expression_name(part) for part in _AND.split(index.predicate)} <= known


def matched_equalities(keys: Sequence[IndexKey], equality: Collection[KeyName]) -> int:
    """How many leading keys are compared by equality: that prefix narrows the scan, in whatever order it is."""
    for number, key in enumerate(keys):
        if key_name(key) not in equality:
            return number
    return len(keys)


def serves_keys(keys: Sequence[IndexKey], equality: Sequence[IndexKey], tail: Sequence[IndexKey]) -> bool:
    """Whether an index with `keys` does all that one with `equality` in any order followed by `tail` does."""
    wanted = {key_name(key) for key in equality}
    count = len(wanted)
    if {key_name(key) for key in keys[:count]} != wanted:
        return False
    if any(_class_of(keys, key) != key.operator_class for key in (*equality, *tail)):
        return False
    return serves_order(keys, wanted, tail)


def serves_order(keys: Sequence[IndexKey], equality: Collection[KeyName], order: Sequence[IndexKey]) -> bool:
    """Whether scanning the index forward or backward returns `order`, the equality keys being constant meanwhile."""
    return _ordered(keys, equality, order, backward=False) or _ordered(keys, equality, order, backward=True)


def _ordered(
    keys: Sequence[IndexKey], equality: Collection[KeyName], order: Sequence[IndexKey], *, backward: bool
) -> bool:
    remaining: Iterator[IndexKey] = (key for key in keys if key_name(key) not in equality)
    for wanted in order:
        key = next(remaining, None)
        if key is None or key_name(key) != key_name(wanted):
            return False
        if (key.descending ^ backward, key.nulls_first ^ backward) != (wanted.descending, wanted.nulls_first):
            return False
    return True


def _class_of(keys: Sequence[IndexKey], wanted: IndexKey) -> str | None:
    return next((key.operator_class for key in keys if key_name(key) == key_name(wanted)), None)
