"""The parts of the twin's statistics that need no server: array literals, operators, types that run code."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.catalog.arrays import parse_array
from advisor.sandbox.twin.pg_statistic import array_literal
from advisor.sandbox.twin.types import TypeFacts, Types, base_type, equality, is_harmless, less_than

PLAIN = TypeFacts(
    oid=0,
    kind="b",
    name="",
    base=0,
    element=0,
    delimiter=",",
    category="U",
    preferred=False,
    range=0,
    subtype=0,
    plain_range=False,
    parts=(),
    ours=True,
)

TEXT, VARCHAR, INT, CIDR, INET, POINT = 25, 1043, 23, 650, 869, 600
DOMAIN, OF_DOMAIN, ARRAY, ENUM, PAIR, OWN_PAIR, RANGE, OWN_RANGE, FOREIGN, TREE, TREES = range(20001, 20012)
FACTS = {
    each.oid: each
    for each in (
        replace(PLAIN, oid=TEXT, category="S", preferred=True),
        replace(PLAIN, oid=VARCHAR, category="S"),
        replace(PLAIN, oid=INT, category="N"),
        replace(PLAIN, oid=CIDR, category="I"),
        replace(PLAIN, oid=INET, category="I", preferred=True),
        replace(PLAIN, oid=POINT, category="G"),
        replace(PLAIN, oid=DOMAIN, kind="d", base=INT, ours=False),
        replace(PLAIN, oid=OF_DOMAIN, element=DOMAIN, ours=False),
        replace(PLAIN, oid=ARRAY, element=INT, ours=False),
        replace(PLAIN, oid=ENUM, kind="e", ours=False),
        replace(PLAIN, oid=PAIR, kind="c", parts=(INT, TEXT, ENUM), ours=False),
        replace(PLAIN, oid=OWN_PAIR, kind="c", parts=(INT, OF_DOMAIN), ours=False),
        replace(PLAIN, oid=RANGE, kind="r", subtype=INT, plain_range=True, ours=False),
        replace(PLAIN, oid=OWN_RANGE, kind="r", subtype=INT, plain_range=False, ours=False),
        replace(PLAIN, oid=FOREIGN, ours=False),
        replace(PLAIN, oid=TREE, kind="c", parts=(INT, TREES), ours=False),
        replace(PLAIN, oid=TREES, element=TREE, ours=False),
    )
}
TYPES = Types(
    facts=FACTS,
    less_than={TEXT: 664, INT: 97, INET: 1203, 2277: 1072, 3500: 3518, 2249: 2990, 3831: 3884},
    equal={TEXT: 98, INT: 96, INET: 1201, 2277: 1070, 3500: 3516, 2249: 2988, 3831: 3882},
    wider={VARCHAR: (1042, TEXT), CIDR: (INET,)},
)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))), st.sampled_from([",", ";"]))
def test_an_array_literal_reads_back(values: list[str], delimiter: str) -> None:
    assert parse_array(array_literal(values, delimiter), delimiter) == tuple(values)


def test_null_is_a_word_of_its_own() -> None:
    assert array_literal([None, "NULL", 'a"\\']) == '{NULL,"NULL","a\\"\\\\"}'


@pytest.mark.parametrize(
    ("oid", "less", "equal"),
    [
        (INT, 97, 96),
        (VARCHAR, 664, 98),
        (CIDR, 1203, 1201),
        (ARRAY, 1072, 1070),
        (ENUM, 3518, 3516),
        (PAIR, 2990, 2988),
        (RANGE, 3884, 3882),
        (POINT, None, None),
    ],
)
def test_operators_are_those_of_the_default_operator_class(oid: int, less: int | None, equal: int | None) -> None:
    assert (less_than(TYPES, FACTS[oid]), equality(TYPES, FACTS[oid])) == (less, equal)


@pytest.mark.parametrize("oid", [TEXT, ARRAY, ENUM, PAIR, RANGE, TREE, TREES])
def test_types_of_harmless_parts_are_harmless(oid: int) -> None:
    assert is_harmless(TYPES, oid)


@pytest.mark.parametrize("oid", [DOMAIN, OF_DOMAIN, OWN_PAIR, OWN_RANGE, FOREIGN, 99])
def test_types_that_may_run_code_are_not(oid: int) -> None:
    assert not is_harmless(TYPES, oid)


def test_a_domain_is_taken_for_its_base_type() -> None:
    assert base_type(TYPES, DOMAIN) == FACTS[INT]
    assert base_type(TYPES, 99) is None
