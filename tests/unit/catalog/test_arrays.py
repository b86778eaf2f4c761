"""Arrays as the server prints them. `tests/database/test_catalog_statistics.py` has the server print them itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.catalog.arrays import parse_array


@pytest.mark.parametrize(
    ("text", "elements"),
    [
        (None, ()),
        ("{}", ()),
        ("{1}", ("1",)),
        ("{1,2}", ("1", "2")),
        ('{""}', ("",)),
        ('{"",a}', ("", "a")),
        ('{"a b",c,"d e"}', ("a b", "c", "d e")),
        ('{a,"b c"}', ("a", "b c")),
        ('{"b c",a}', ("b c", "a")),
        ('{"a b","c,d",""}', ("a b", "c,d", "")),
        ('{"NULL",null2}', ("NULL", "null2")),
        ('{"a,b","c\\"d","e\\\\f"}', ("a,b", 'c"d', "e\\f")),
        ('{"{1,2}","{\\"x y\\",NULL}"}', ("{1,2}", '{"x y",NULL}')),
        ('{"[1,5)",empty}', ("[1,5)", "empty")),
        ('{"line\nbreak","tab\t"}', ("line\nbreak", "tab\t")),
        ('{"2024-01-01 00:00:00+00"}', ("2024-01-01 00:00:00+00",)),
    ],
)
def test_parsed(text: str | None, elements: tuple[str, ...]) -> None:
    assert parse_array(text) == elements


def test_another_delimiter() -> None:
    assert parse_array("{(1,1),(0,0);(2,2),(0,0)}", ";") == ("(1,1),(0,0)", "(2,2),(0,0)")


@given(st.lists(st.text(min_size=1), min_size=1))
def test_every_element_comes_back(elements: list[str]) -> None:
    printed = ",".join('"' + e.replace("\\", "\\\\").replace('"', '\\"') + '"' for e in elements)
    assert parse_array("{" + printed + "}") == tuple(elements)
