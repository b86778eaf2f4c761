"""Any schema that PostgreSQL takes is the same schema when it is built again."""

from collections.abc import Sequence

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from advisor.sandbox.schema.rebuild import rebuild
from advisor.sandbox.server import Sandbox
from tests.database.test_rebuild import assert_same, catalog_of

EXAMPLES = 10
"""Each makes two databases: a second or so on a busy machine."""

NAMES = st.one_of(
    st.sampled_from(
        ["user", "Order", "select", "a b", 'a"b', "it's", "$1", "%s", "ü", "x" * 63, "ß" * 31, "a.b", "\\"]
    ),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=15).filter(
        lambda name: len(name.encode()) <= 63 and not name.startswith("pg_")
    ),
)

TYPES: Sequence[tuple[str, Sequence[str], str, str]] = (
    ("integer", ("0", "-1 + 2", "(random() * 3)::int"), "({} % 7)", "{} > 3"),
    ("text", ("'it''s'", "E'a\\\\b'", "upper('x') || '%;'"), "lower({})", "{} LIKE 'a%%'"),
    ('text COLLATE "C"', ("''",), "({} || 'x')", "{} <> ''"),
    ("varchar(63)", ("'ü'",), "left({}, 3)", "{} = 'b'"),
    ("numeric(12,3)", ("1.5",), "abs({})", "{} >= 0.5"),
    ("timestamptz(3)", ("now()", "'2026-01-02 03:04:05+00'"), "date_trunc('day', {}, 'UTC')", "{} > '2020-01-01'"),
    ("int[]", ("'{1,2}'", "ARRAY[]::int[]"), "array_length({}, 1)", "{} IS NOT NULL"),
    ("jsonb", ("""'{"a": "it''s"}'""",), "({} ->> 'a')", "{} ? 'a'"),
    ("uuid", ("gen_random_uuid()",), "({}::text)", "{} IS NULL"),
)
"""A type, defaults, an expression and a predicate over a column of it."""


@st.composite
def tables(draw: st.DrawFn) -> list[sql.Composed]:
    """The statements that make one table and its indexes; the names in them are free within the schema."""
    table = sql.Identifier("odd", draw(NAMES))
    names = draw(st.lists(NAMES, min_size=1, max_size=5, unique=True))
    types = [draw(st.sampled_from(TYPES)) for _ in names]
    columns = []
    for name, (type_name, defaults, _, predicate) in zip(names, types, strict=True):
        parts = [sql.Identifier(name), sql.SQL(type_name)]
        default = draw(st.sampled_from([None, *defaults]))
        if default:
            parts.append(sql.SQL(f"DEFAULT {default}"))
        if draw(st.booleans()):
            parts.append(sql.SQL("NOT NULL"))
        if draw(st.booleans()):
            parts.append(sql.SQL("CHECK ({})").format(sql.SQL(predicate.replace("%%", "%")).format(parts[0])))
        columns.append(sql.SQL(" ").join(parts))
    options = sql.SQL(draw(st.sampled_from(["", " WITH (fillfactor = 33)", " WITH (parallel_workers = 2)"])))
    create = sql.SQL("CREATE TABLE {} ({}){}").format(table, sql.SQL(", ").join(columns), options)
    return [create, *draw(st.lists(indexes(table, list(zip(names, types, strict=True))), max_size=3))]


@st.composite
def indexes(
    draw: st.DrawFn, table: sql.Identifier, columns: Sequence[tuple[str, tuple[str, Sequence[str], str, str]]]
) -> sql.Composed:
    """An index with one or two keys, some of them expressions; some with a predicate or further columns."""
    keys = []
    for name, (_, _, expression, _) in draw(st.lists(st.sampled_from(columns), min_size=1, max_size=2)):
        key = sql.SQL(draw(st.sampled_from(["{}", f"({expression})"]))).format(sql.Identifier(name))
        keys.append(sql.SQL("{} {}").format(key, sql.SQL(draw(st.sampled_from(["", "DESC", "NULLS FIRST"])))))
    included, (other, (_, _, _, predicate)) = draw(st.sampled_from(columns)), draw(st.sampled_from(columns))
    tail = draw(st.sampled_from(["", " INCLUDE ({included})", " WITH (fillfactor = 44)", " WHERE {predicate}"]))
    return sql.SQL("CREATE INDEX ON {} ({}){}").format(
        table,
        sql.SQL(", ").join(keys),
        sql.SQL(tail).format(
            included=sql.Identifier(included[0]),
            predicate=sql.SQL(predicate.replace("%%", "%")).format(sql.Identifier(other)),
        ),
    )


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(groups=st.lists(tables(), min_size=1, max_size=4))
def test_any_schema_is_the_same_again(sandbox: Sandbox, groups: list[list[sql.Composed]]) -> None:
    sandbox.create_database("original")
    sandbox.create_database("again")
    try:
        with sandbox.connect("original") as connection:
            connection.execute("CREATE SCHEMA odd")
            for statements in groups:
                # Two tables may have drawn one name: the first one has it.
                name = statements[0].as_string(connection).partition(" (")[0].removeprefix("CREATE TABLE ")
                if connection.execute("SELECT to_regclass(%s)", (name,)).fetchone() == (None,):
                    for statement in statements:
                        connection.execute(statement)
            connection.commit()
        read = catalog_of(sandbox, "original")
        assert rebuild(sandbox, "again", read) == ()
        assert_same(read, catalog_of(sandbox, "again"))
    finally:
        sandbox.drop_database("original")
        sandbox.drop_database("again")
