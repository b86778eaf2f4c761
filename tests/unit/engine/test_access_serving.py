"""What an index can do, compared with PostgreSQL's documented rules."""

from typing import Any

import pytest

from advisor.engine.access_serving import expression_name, serves_order, usable
from advisor.model.catalog import Index, IndexKey
from advisor.model.names import QualifiedName

A, B = IndexKey(column="a"), IndexKey(column="b")
A_DOWN = IndexKey(column="a", descending=True, nulls_first=True)
B_DOWN = IndexKey(column="b", descending=True, nulls_first=True)
B_DOWN_LAST = IndexKey(column="b", descending=True)


@pytest.mark.parametrize(
    ("keys", "order", "served"),
    [
        ((A, B), (A, B), True),
        ((A, B), (A_DOWN, B_DOWN), True),
        ((A_DOWN, B_DOWN), (A, B), True),
        ((A, B), (A, B_DOWN), False),
        ((A, B_DOWN), (A, B_DOWN), True),
        ((A, B_DOWN), (A_DOWN, B), True),
        ((A, B), (B,), False),
        ((A, B), (A_DOWN, B_DOWN_LAST), False),
        ((A,), (A, B), False),
    ],
)
def test_order_forward_and_backward(keys: tuple[IndexKey, ...], order: tuple[IndexKey, ...], served: bool) -> None:
    assert serves_order(keys, (), order) is served


def test_keys_held_constant_do_not_disturb_the_order() -> None:
    assert serves_order((A, B), {("column", "a")}, (B,))
    assert serves_order((B, A), {("column", "a")}, (B,))


def index(**changes: Any) -> Index:
    return Index(name="i", table=QualifiedName("public", "t"), method="btree", keys=(A,), **changes)


def test_invalid_and_partial_indexes() -> None:
    assert usable(index())
    assert not usable(index(valid=False))
    assert not usable(index(predicate="(status = 'open'::text)"))
    assert not usable(index(predicate="(status = 'open'::text)"), ["status = 'shut'"])
    assert usable(index(predicate="(status = 'open'::text)"), ["status = 'open'"])
    assert not usable(index(predicate="(status = 'Open'::text)"), ["status = 'open'"])


def test_expressions_are_compared_without_what_deparsing_adds() -> None:
    assert expression_name("lower((email)::text)") == expression_name("LOWER( email )")
    assert expression_name("lower(email)") != expression_name("lower(name)")
