"""What of a catalog's texts becomes a statement, without a server."""

import pytest

from advisor.model.catalog import Catalog, Table
from advisor.model.names import QualifiedName
from advisor.sandbox.schema.collations import compares_bytes
from advisor.sandbox.schema.rebuild_run import Listing, Part, Statement, render
from advisor.sandbox.schema.rebuild_statements import is_form, table_groups
from advisor.sandbox.schema.rebuild_tables import Place, named_type


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("integer", None),
        ("timestamp(3) with time zone", None),
        ('"char"', None),
        ("public.geometry(Point,4326)", QualifiedName("public", "geometry")),
        ('"a.b"."c ""d"""[]', QualifiedName("a.b", 'c "d"')),
        ("größe.typ_1[]", QualifiedName("größe", "typ_1")),
        ("public.a; DROP TABLE x", None),
    ],
)
def test_the_name_of_a_type(text: str, name: QualifiedName | None) -> None:
    assert named_type(text) == name


@pytest.mark.parametrize(
    ("kind", "text", "is_one"),
    [
        ("index", "CREATE UNIQUE INDEX i ON public.t USING btree (a)", True),
        ("index", "CREATE TABLE t (a int)", False),
        ("index", "", False),
        ("function", "CREATE OR REPLACE FUNCTION public.f()\n RETURNS int", True),
        ("function", "CREATE OR REPLACE PROCEDURE public.f()", False),
        ("trigger", "CREATE CONSTRAINT TRIGGER x AFTER INSERT", True),
        ("trigger", "CREATE EVENT TRIGGER x ON ddl_command_end", False),
        ("statistics", "CREATE STATISTICS s ON a, b FROM t", True),
        ("domain", "create  domain d AS text", True),
        ("domain", "-- CREATE DOMAIN d\nDROP DOMAIN d", False),
    ],
)
def test_a_definition_is_what_it_is_said_to_be(kind: str, text: str, is_one: bool) -> None:
    assert is_form(kind, text) == is_one


def test_parts_that_are_left_out() -> None:
    one, two = Part(text="a=1", label="a"), Part(text="b=2", label="b")
    kind = Part(text="geo.point", label="type", instead="text")
    statement = Statement(what="t", pieces=("T (", kind, ")", Listing(before=" WITH (", parts=(one, two))))
    assert render(statement) == "T (geo.point) WITH (a=1, b=2)"
    assert render(statement, frozenset({one, kind})) == "T (text) WITH (b=2)"
    assert render(statement, frozenset({one, two})) == "T (geo.point)"


def test_a_tree_of_tables_is_one_group() -> None:
    """Also where two trees meet in a child of both, and where a parent is not in the catalog."""

    def table(name: str, *inherits: str) -> Table:
        parents = tuple(QualifiedName("s", parent) for parent in inherits)
        return Table(name=QualifiedName("s", name), kind="table", columns=(), inherits=parents)

    tables = (table("a", "x", "y"), table("b"), table("x"), table("y"), table("z", "a"), table("l", "lost"))
    catalog = Catalog(
        server_version_num=0, server_version="", database="", tables={table.name: table for table in tables}
    )
    groups = table_groups(catalog, Place(version_num=180000, collations={}))
    created = [[s.what for s in group if s.what.startswith("the table ")] for group in groups]
    names = sorted([what.removeprefix("the table s.") for what in group] for group in created)
    assert names == [["b"], ["l"], ["x", "y", "a", "z"]]


@pytest.mark.parametrize(
    ("provider", "locale", "bytewise"),
    [("c", "C", True), ("c", "POSIX", True), ("c", "C.UTF-8", False), ("i", "C", False), ("b", "C.UTF-8", True)],
)
def test_which_collations_compare_bytes(provider: str, locale: str, bytewise: bool) -> None:
    assert compares_bytes(provider, locale) == bytewise
