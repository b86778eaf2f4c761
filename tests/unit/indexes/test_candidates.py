"""Index candidates from needs."""

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from advisor.engine.access_serving import serves_keys
from advisor.indexes.candidates import candidates
from advisor.model.advice import IndexNeed
from advisor.model.catalog import Catalog, Column, Index, IndexKey, Table
from advisor.model.names import QualifiedName

ORDERS = QualifiedName("public", "orders")
COLUMNS = ("a", "b", "c", "d")


def catalog(*indexes: Index) -> Catalog:
    columns = tuple(Column(name=name, type="integer", base_type="int4") for name in COLUMNS)
    table = Table(name=ORDERS, kind="table", columns=columns, indexes=indexes)
    return Catalog(server_version_num=180000, server_version="18", database="d", tables={ORDERS: table})


def key(text: str) -> IndexKey:
    return IndexKey(column=text[0], descending=text.endswith("-"), nulls_first=text.endswith("-"))


def need(query: str, equality: str = "", range_: str = "", order: str = "") -> IndexNeed:
    return IndexNeed(
        table=ORDERS,
        query_id=query,
        equality=tuple(map(key, equality.split())),
        range=tuple(map(key, range_.split())),
        order=tuple(map(key, order.split())),
    )


def existing(keys: str, **changes: Any) -> Index:
    index = Index(name="existing", table=ORDERS, method="btree", keys=tuple(map(key, keys.split())))
    return replace(index, **changes)


def shapes(needs: list[IndexNeed], *indexes: Index) -> list[str]:
    found = candidates(needs, catalog(*indexes))
    return [" ".join(f"{k.column}{'-' if k.descending else ''}" for k in c.keys) for c in found]


def test_equality_comes_before_the_range_and_the_sort() -> None:
    assert shapes([need("q", equality="a", range_="b")]) == ["a b"]
    assert shapes([need("q", equality="c a", order="b d-")]) == ["c a b d-"]


def test_a_column_that_more_queries_share_leads() -> None:
    found = candidates([need("q1", equality="a b"), need("q2", equality="b")], catalog())
    assert [[k.column for k in c.keys] for c in found] == [["b", "a"]]
    assert set(found[0].query_ids) == {"q1", "q2"}


def test_a_prefix_is_merged_and_a_look_alike_is_not() -> None:
    assert shapes([need("q1", equality="a"), need("q2", equality="a", order="b")]) == ["a b"]
    assert shapes([need("q1", equality="a", order="c"), need("q2", equality="a", order="b")]) == ["a c", "a b"]
    assert shapes([need("q1", range_="b"), need("q2", equality="a", range_="b")]) == ["a b", "b"]


def test_what_exists_is_not_asked_for_again() -> None:
    assert shapes([need("q", equality="a b")], existing("b a c")) == []
    assert shapes([need("q", equality="a", order="b")], existing("a b-")) == []


def test_what_only_looks_like_it_does_not_count() -> None:
    wanted = [need("q", equality="a")]
    assert shapes(wanted, existing("b a")) == ["a"]
    assert shapes(wanted, existing("a", valid=False)) == ["a"]
    assert shapes(wanted, existing("a", predicate="(b > 0)")) == ["a"]
    assert shapes(wanted, existing("a", method="gin")) == ["a"]
    assert shapes([need("q", equality="a", order="b c")], existing("a b c-")) == ["a b c"]


def test_names_do_not_collide() -> None:
    found = candidates([need("q", equality="a")], catalog(existing("b", name="orders_a_idx")))
    assert [c.name for c in found] == ["orders_a_idx1"]


KEYS = st.lists(st.sampled_from(COLUMNS), unique=True, max_size=3).map(" ".join)
NEEDS = st.lists(st.builds(need, st.sampled_from(["q1", "q2", "q3"]), KEYS, KEYS, KEYS), max_size=6)


@given(NEEDS, st.randoms())
def test_every_need_is_served_once_in_any_order_of_needs(needs: list[IndexNeed], random: object) -> None:
    found = candidates(needs, catalog())
    shuffled = list(needs)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert candidates(shuffled, catalog()) == found
    for each in needs:
        names = {k.column for k in each.equality}
        tail = [k for k in (each.order or each.range[:1]) if k.column not in names]
        if each.equality or tail:
            assert any(serves_keys(c.keys, each.equality, tail) and each.query_id in c.query_ids for c in found)
    assert not any(a is not b and a.keys == b.keys[: len(a.keys)] for a in found for b in found)
