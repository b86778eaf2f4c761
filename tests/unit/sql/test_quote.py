import pytest
from hypothesis import given
from hypothesis import strategies as st
from postgast import pg_query_pb2 as pb

from advisor.model.names import QualifiedName
from advisor.sql.constants import constants
from advisor.sql.parse import parse_one
from advisor.sql.quote import quote_identifier, quote_literal, quote_name

_NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=15)


@pytest.mark.parametrize(
    ("name", "quoted"),
    [
        ("orders", "orders"),
        ("_a1", "_a1"),
        ("Orders", '"Orders"'),
        ("user", '"user"'),
        ("left", '"left"'),
        ("between", '"between"'),
        ("name", "name"),
        ("1st", '"1st"'),
        ("a b", '"a b"'),
        ('a"b', '"a""b"'),
        ("größe", '"größe"'),
        ("a$b", '"a$b"'),
        ("", '""'),
    ],
)
def test_identifiers(name: str, quoted: str) -> None:
    assert quote_identifier(name) == quoted


def test_qualified_names() -> None:
    assert quote_name(QualifiedName("Shop", "order")) == '"Shop"."order"'
    assert quote_name(QualifiedName("", "t")) == "t"


@given(_NAMES, _NAMES)
def test_a_quoted_name_reads_back(schema: str, name: str) -> None:
    select = parse_one(f"SELECT 1 FROM {quote_name(QualifiedName(schema, name))}")
    assert isinstance(select, pb.SelectStmt)
    table = select.from_clause[0].range_var
    # The grammar cuts names at 63 bytes; these are shorter.
    assert (table.schemaname, table.relname) == (schema, name)


@given(st.sampled_from(sorted(k.removesuffix("_P").lower() for k, _ in pb.Token.items() if k.isidentifier())))
def test_a_keyword_reads_back_as_a_column(word: str) -> None:
    select = parse_one(f"SELECT {quote_identifier(word)}, t.{quote_identifier(word)} FROM t")
    assert isinstance(select, pb.SelectStmt)
    fields = [target.res_target.val.column_ref.fields[-1].string.sval for target in select.target_list]
    assert fields == [word, word]


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_a_quoted_value_reads_back(value: str) -> None:
    assert constants(f"SELECT {quote_literal(value)}") == (value,)


def test_null() -> None:
    assert quote_literal(None) == "NULL"
