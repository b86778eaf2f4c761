"""Statistics that cannot be put into the planner twin, or must not be: named one by one, the rest is there."""

from dataclasses import replace
from typing import Any

import pytest

from advisor.errors import SandboxError
from advisor.model.catalog import Catalog, ColumnStatistics, CommonCombination, Table
from advisor.model.names import QualifiedName
from advisor.sandbox.server import Sandbox
from advisor.sandbox.twin.statistics import put_statistics
from tests.database.twin_statistics import catalog_of, columns_of, fill, other_database


def changed(catalog: Catalog, table: str, **columns: ColumnStatistics) -> Catalog:
    """The catalog with other statistics for columns of a table of the schema public."""
    name = QualifiedName("public", table)
    found = catalog.tables[name]
    new = tuple(replace(c, statistics=columns.get(c.name, c.statistics)) for c in found.columns)
    tables: dict[QualifiedName, Table] = {**catalog.tables, name: replace(found, columns=new)}
    return replace(catalog, tables=tables)


def test_what_cannot_be_read_is_left_out_slot_by_slot(sandbox: Sandbox, database: str) -> None:
    fill(
        sandbox,
        database,
        "CREATE TABLE t (a int, b varchar(3), c date, d int4range, e int[], f text);"
        "INSERT INTO t SELECT n % 9, n % 9, date '2024-01-01' + n % 300, int4range(n, n + 3), ARRAY[n % 4], n"
        " FROM generate_series(1, 900) AS n; ANALYZE t",
    )
    catalog = catalog_of(sandbox, database)
    old = columns_of(catalog, "t")
    a, b, c, d, e, f = (old[name] or ColumnStatistics() for name in "abcdef")
    token = "hidden:0123456789abcdef"
    bad = changed(
        catalog,
        "t",
        a=replace(a, most_common=((token, 0.5), ("2", 0.25))),
        b=replace(b, most_common=((token, 0.5),)),
        c=replace(c, histogram=("2024-01-01", token), most_common=(("2024-02-30", 0.1),)),
        d=replace(d, range_bounds=("[1,2", "[3,4)")),
        e=replace(e, most_common_elements=(token,), element_frequencies=(0.5, 0.5, 0.5, 0.0)),
        f=replace(f, null_fraction=1e300, histogram=("NUL \0", "\ud800")),
    )
    (warning,) = put_statistics(sandbox, database, bad)
    assert warning.startswith("Statistics of public.t that the twin does not have: a: no most common values: invalid")
    for part in ("c: no histogram", "c: no most common values", "d: no range bounds", "e: no most common elements"):
        assert part in warning
    assert "b:" not in warning
    read = {
        column.name: column.statistics
        for column in catalog_of(sandbox, database).tables[QualifiedName("public", "t")].columns
    }
    assert read == {
        "a": replace(a, most_common=()),
        "b": replace(b, most_common=((token, 0.5),)),  # longer than the column allows, and yet a value to compare with
        "c": replace(c, histogram=(), most_common=()),
        "d": replace(d, range_bounds=()),
        "e": replace(e, most_common_elements=(), element_frequencies=()),
        "f": None,
    }


def test_what_is_not_there_is_named_table_by_table(sandbox: Sandbox, database: str) -> None:
    script = (
        "CREATE TABLE kept (a int, b int, c text); CREATE TABLE gone (a int); CREATE TABLE as_view (a int);"
        "INSERT INTO kept SELECT n, n % 5, n % 5 FROM generate_series(1, 500) AS n; INSERT INTO gone VALUES (1);"
        "INSERT INTO as_view VALUES (1); CREATE STATISTICS combined ON a, b FROM kept;"
        "CREATE INDEX expr ON kept ((a + 1)); ANALYZE kept; ANALYZE gone; ANALYZE as_view;"
    )
    fill(sandbox, database, script)
    catalog = catalog_of(sandbox, database)
    with other_database(sandbox, "statistics_copy") as copy:
        fill(sandbox, copy, "CREATE TABLE kept (c text, b bigint); CREATE VIEW as_view AS SELECT 1 AS a")
        warnings = put_statistics(sandbox, copy, catalog)
        columns = {
            c.name: c.statistics for c in catalog_of(sandbox, copy).tables[QualifiedName("public", "kept")].columns
        }
    beginning = "Statistics of public.{} that the twin does not have: {}"
    assert sorted(warnings) == [
        beginning.format("as_view", "the table itself is not there."),
        beginning.format("gone", "the table itself is not there."),
        beginning.format(
            "kept",
            "a: no such column there; b: no values, it is of type bigint there, not integer; "
            "expr: no such index there; public.combined: no such statistics object there.",
        ),
    ]
    original = columns_of(catalog, "kept")
    b = original["b"] or ColumnStatistics()
    assert columns == {"c": original["c"], "b": replace(b, most_common=(), histogram=(), correlation=None)}


def test_a_database_that_is_not_there_is_an_error_of_ours(sandbox: Sandbox, database: str) -> None:
    with pytest.raises(SandboxError, match="does not answer"):
        put_statistics(sandbox, "not there", catalog_of(sandbox, database))


SPY = """
CREATE SEQUENCE ran;
CREATE FUNCTION spy(x anyelement) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
    IF current_setting('is_superuser') = 'on' THEN PERFORM nextval('public.ran'); END IF; RETURN true; END $$;
CREATE DOMAIN checked AS int CHECK (public.spy(VALUE));
CREATE DOMAIN many AS int[] CHECK (public.spy(VALUE));
CREATE TYPE pair AS (x checked, y int);
CREATE TYPE span AS RANGE (SUBTYPE = checked, SUBTYPE_OPCLASS = int4_ops);
CREATE TABLE t (plain int, own checked, list many, inner_ checked[], p pair, r span, deep pair[]);
INSERT INTO t SELECT n % 9, n % 9, ARRAY[n % 9], ARRAY[n % 9], format('(%s,1)', n % 9)::pair,
    format('[%s,%s)', n % 9, n % 9 + 2)::span,
    ARRAY[format('(%s,1)', n % 9)::pair] FROM generate_series(1, 300) AS n;
CREATE STATISTICS harmless ON own, plain FROM t; CREATE STATISTICS harmful (mcv) ON p, plain FROM t;
CREATE INDEX folded ON t ((own > 1 AND public.spy(1)));
ANALYZE t;
"""


def test_the_superuser_runs_no_code_of_the_schemas(sandbox: Sandbox, database: str) -> None:
    fill(sandbox, database, SPY)
    with other_database(sandbox, "statistics_copy") as copy:
        catalog = catalog_of(sandbox, database)
        fill(sandbox, copy, SPY.replace("generate_series(1, 300)", "generate_series(1, 0)"))
        (warning,) = put_statistics(sandbox, copy, catalog)
        again = catalog_of(sandbox, copy)
        with sandbox.connect(copy) as connection:
            assert connection.execute("SELECT is_called FROM ran").fetchone() == (False,)
    named = {part.split(": ")[0] for part in warning.split("have: ")[1].split("; ")}
    assert named == {"inner_", "p", "r", "deep", "public.harmful"}
    name = QualifiedName("public", "t")
    before, after = columns_of(catalog, "t"), columns_of(again, "t")
    for column in ("plain", "own", "list"):
        assert before[column] is not None
        assert before[column] == after[column]
    # What needs no value read is there: how long the ranges are, how many elements the arrays have.
    ranges, elements = before["r"], before["inner_"]
    assert ranges is not None
    assert elements is not None
    assert after["r"] == replace(ranges, range_bounds=())
    kept = replace(elements, most_common=(), histogram=(), most_common_elements=(), element_frequencies=())
    assert kept.element_counts
    assert after["inner_"] == kept
    assert [index.statistics for index in again.tables[name].indexes] == [
        index.statistics for index in catalog.tables[name].indexes
    ]
    data = {each.name.name: each.data for each in again.extended_statistics}
    assert data["harmless"] == next(e.data for e in catalog.extended_statistics if e.name.name == "harmless")
    assert data["harmful"] == ()


@pytest.mark.parametrize(
    "bad",
    [
        {"distinct": "{}"},
        {"distinct": "{"},
        {"distinct": '{"1, 7": 3}'},
        {"distinct": '{"1": 3}'},
        {"distinct": '{"1, 2": "many"}'},
        {"dependencies": '{"1 => 9": 0.5}'},
        {"dependencies": "[1]"},
        {"dependencies": "[" * 100_000},
        {"most_common": (CommonCombination(values=("1",), frequency=0.5, base_frequency=0.1),)},
    ],
    ids=str,
)
def test_data_that_no_server_printed_is_named(sandbox: Sandbox, database: str, bad: dict[str, Any]) -> None:
    script = "CREATE TABLE t (a int, b int); CREATE STATISTICS s ON a, b FROM t;"
    fill(sandbox, database, f"{script} INSERT INTO t SELECT n % 9, n % 3 FROM generate_series(1, 90) AS n; ANALYZE t")
    catalog = catalog_of(sandbox, database)
    (found,) = catalog.extended_statistics
    wrong = replace(catalog, extended_statistics=(replace(found, data=(replace(found.data[0], **bad),)),))
    assert put_statistics(sandbox, database, wrong) == (
        "Statistics of public.t that the twin does not have: public.s: it is not as PostgreSQL prints it.",
    )
    with sandbox.connect(database) as connection:
        connection.execute("EXPLAIN SELECT a, b, count(*) FROM t WHERE a = 1 AND b = 2 GROUP BY a, b")


def test_values_of_a_combination_that_do_not_read_take_only_the_list(sandbox: Sandbox, database: str) -> None:
    script = "CREATE TABLE t (a int, b int); CREATE STATISTICS s ON a, b FROM t;"
    fill(sandbox, database, f"{script} INSERT INTO t SELECT n % 9, n % 3 FROM generate_series(1, 90) AS n; ANALYZE t")
    catalog = catalog_of(sandbox, database)
    (found,) = catalog.extended_statistics
    item = CommonCombination(values=("1", "hidden"), frequency=0.5, base_frequency=0.1)
    data = replace(found.data[0], most_common=(item,))
    (warning,) = put_statistics(
        sandbox, database, replace(catalog, extended_statistics=(replace(found, data=(data,)),))
    )
    assert "public.s: no most common combinations: invalid input syntax" in warning
    (again,) = catalog_of(sandbox, database).extended_statistics
    assert again.data == (replace(found.data[0], most_common=()),)
