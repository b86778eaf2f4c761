"""Names of new indexes."""

from hypothesis import given
from hypothesis import strategies as st

from advisor.indexes.names import MAX_NAME_BYTES, index_name, taken_names
from advisor.model.catalog import Catalog, Constraint, Index, IndexKey, Table
from advisor.model.names import QualifiedName

ORDERS = QualifiedName("public", "orders")
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=63)


def keys(*columns: str) -> tuple[IndexKey, ...]:
    return tuple(IndexKey(column=column) for column in columns)


def test_is_like_postgresqls_own() -> None:
    assert index_name(ORDERS, keys("customer_id", "created_at")) == "orders_customer_id_created_at_idx"
    assert index_name(ORDERS, (IndexKey(expression="lower(email)"),)) == "orders_expr_idx"


def test_a_taken_name_gets_a_number() -> None:
    taken = {"orders_id_idx", "orders_id_idx1"}
    assert index_name(ORDERS, keys("id"), taken) == "orders_id_idx2"


def test_the_longer_part_gives_way() -> None:
    name = index_name(QualifiedName("public", "t"), keys("x" * 80))
    assert name == f"t_{'x' * 57}_idx"
    assert len(name) == MAX_NAME_BYTES


@given(NAMES, st.lists(NAMES, min_size=1, max_size=8), st.integers(0, 12))
def test_fits_and_is_free_however_long_and_odd_the_names(table: str, columns: list[str], existing: int) -> None:
    taken: set[str] = set()
    for _ in range(existing + 1):
        name = index_name(QualifiedName("public", table), keys(*columns), taken)
        assert 0 < len(name.encode()) <= MAX_NAME_BYTES
        assert name not in taken
        taken.add(name)


def test_relations_indexes_and_constraints_of_the_schema_are_taken() -> None:
    index = Index(name="i", table=ORDERS, method="btree", keys=keys("a"))
    constraint = Constraint(name="c", kind="unique", table=ORDERS, columns=("a",), definition="UNIQUE (a)")
    table = Table(name=ORDERS, kind="table", columns=(), indexes=(index,), constraints=(constraint,))
    other = Table(name=QualifiedName("other", "t"), kind="table", columns=())
    catalog = Catalog(
        server_version_num=180000, server_version="18", database="d", tables={t.name: t for t in (table, other)}
    )
    assert taken_names(catalog, "public") == {"orders", "i", "c"}
