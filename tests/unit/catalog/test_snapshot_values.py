"""Which values a snapshot keeps, hashes or drops, and how a workload's own literals come back."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings

from advisor.catalog.reveal import revealed
from advisor.catalog.shareable import cost_of_privacy, shareable
from advisor.catalog.snapshot import encode
from advisor.catalog.tokens import FORMS, token
from advisor.model.catalog import (
    Catalog,
    Column,
    ColumnStatistics,
    CombinedStatistics,
    CommonCombination,
    Constraint,
    ExtendedStatistics,
    Index,
    IndexKey,
    SchemaObject,
)
from advisor.model.names import QualifiedName
from advisor.model.snapshot import Snapshot
from advisor.model.workload import Query, Sample, StatementStatistics, Workload
from tests.unit.catalog.snapshots import KEY, catalog_of, column, snapshot_of, snapshots, table

MANY = ColumnStatistics(
    distinct=-0.9, most_common=(("anna@x.org", 0.3), ("bert@x.org", 0.1)), histogram=("carl@x.org", "dora@x.org")
)
FEW = ColumnStatistics(distinct=5, most_common=(("paid", 0.6), ("open", 0.4)), histogram=("a", "b"))


def kept(*columns: Column, rows: float | None = 10_000.0, **more: object) -> tuple[ColumnStatistics, ...]:
    """The columns' statistics in a default snapshot."""
    made = shareable(snapshot_of(catalog_of(table("t", *columns, rows=rows, **more))))
    (only,) = made.catalog.tables.values()
    return tuple(each.statistics for each in only.columns if each.statistics is not None)


def workload(*statements: str | tuple[str, tuple[str | None, ...]]) -> Workload:
    samples = tuple(
        Sample(sql=each) if isinstance(each, str) else Sample(sql=each[0], parameters=each[1]) for each in statements
    )
    return Workload(queries=(Query(id="q", sql="", samples=samples),))


@pytest.mark.parametrize(
    ("type_name", "base_type"),
    [
        ("text", "text"), ("character varying(200)", "varchar"), ("character(40)", "bpchar"), ("citext", "citext"),
        ("name", "name"), ("bytea", "bytea"), ("json", "json"), ("jsonb", "jsonb"), ("xml", "xml"), ("inet", "inet"),
        ("macaddr", "macaddr"), ("text[]", "_text"), ("public.email", "text"), ("public.hstore", "hstore"),
        ("tsvector", "tsvector"), ("public.person", "person"), ("public.textrange", "textrange"),
        ("public.geometry", "geometry"),
    ],
)  # fmt: skip
def test_text_is_not_kept(type_name: str, base_type: str) -> None:
    values = {"_text": "{anna@x.org,bert}"}.get(base_type, "anna@x.org")
    full = replace(MANY, most_common=((values, 0.3),), most_common_elements=("anna@x.org",), element_frequencies=(0.3,))
    (stats,) = kept(column("c", type_name, base_type, statistics=full))
    assert "anna" not in repr(stats)
    assert "bert" not in repr(stats)
    assert stats.histogram == ()
    assert (stats.distinct, stats.null_fraction) == (MANY.distinct, MANY.null_fraction)
    assert [share for _, share in stats.most_common] == ([0.3] if base_type.removeprefix("_") in FORMS else [])


@pytest.mark.parametrize(
    ("type_name", "base_type"),
    [("integer", "int4"), ("uuid", "uuid"), ("date", "date"), ("integer[]", "_int4"), ("daterange", "daterange")],
)
def test_other_types_are_kept(type_name: str, base_type: str) -> None:
    assert kept(column("c", type_name, base_type, statistics=MANY)) == (MANY,)


def test_an_enum_is_kept() -> None:
    assert kept(column("c", "public.mood", "mood", type_kind="e", enum_labels=("a",), statistics=MANY)) == (MANY,)
    moods = SchemaObject(kind="enum", name=QualifiedName("public", "mood"), definition="")
    made = shareable(snapshot_of(catalog_of(table("t", column("c", "d", "_mood", statistics=MANY)), objects=(moods,))))
    assert next(iter(made.catalog.tables.values())).columns[0].statistics == MANY


@pytest.mark.parametrize(
    ("distinct", "rows", "is_kept"),
    [
        (5, 10_000, True),
        (200, 10_000, True),
        (201, 10_000, False),
        (-0.01, 10_000, True),  # 100 values
        (-0.03, 10_000, False),  # 300 values
        (-1.0, 100, False),  # 100 rows, each with its own
        (150, 160, False),
        (-0.25, 20, True),  # 5 values in 20 rows
        (-0.01, None, False),
    ],
)
def test_few_values_are_kept(distinct: float, rows: float | None, is_kept: bool) -> None:
    stats = replace(FEW, distinct=distinct)
    assert (kept(column("c", statistics=stats), rows=rows) == (stats,)) is is_kept


def test_a_token_fits_its_column() -> None:
    domain = SchemaObject(
        kind="domain",
        name=QualifiedName("public", "code"),
        definition="CREATE DOMAIN public.code AS character varying(9)",
    )
    columns = (
        column("a", "character varying(12)", "varchar", statistics=MANY),
        column("b", "public.code", "varchar", type_kind="d", statistics=MANY),
        column("c", "character varying(7)", "varchar", statistics=MANY),
        column("d", statistics=MANY),
    )
    made = shareable(snapshot_of(catalog_of(table("t", *columns), objects=(domain,))))
    found = [each.statistics for each in next(iter(made.catalog.tables.values())).columns]
    lengths = [{len(value) for value, _ in stats.most_common} if stats else None for stats in found]
    assert lengths == [{12}, {9}, set(), {16}]


@pytest.mark.parametrize("base_type", sorted(FORMS))
def test_tokens_are_of_the_key(base_type: str) -> None:
    assert token(KEY, "anna", base_type) == token(KEY, "anna", base_type)
    assert token(KEY, "anna", base_type) != token(KEY, "bert", base_type)
    assert token(KEY, "anna", base_type) != token(KEY[::-1], "anna", base_type)


def test_the_padding_of_a_fixed_width_means_nothing() -> None:
    assert token(KEY, "anna   ", "bpchar") == token(KEY, "anna", "bpchar") == token(KEY, "anna", "text")
    assert token(KEY, '{"anna   "}', "_bpchar") == token(KEY, "{anna}", "_text")
    assert token(KEY, "anna ", "text") != token(KEY, "anna", "text")


def test_elements_stay_in_order() -> None:
    names = tuple(f"name{n}" for n in range(50))
    stats = replace(MANY, most_common=(), most_common_elements=names, element_frequencies=(*range(50), 0, 49, 7))
    (made,) = kept(column("c", "text[]", "_text", statistics=stats))
    assert list(made.most_common_elements) == sorted(made.most_common_elements)
    assert sorted(made.element_frequencies[:50]) == list(range(50))
    assert made.element_frequencies[50:] == (0, 49, 7)
    of_name7 = token(KEY, "name7", "text")
    assert made.element_frequencies[made.most_common_elements.index(of_name7 or "")] == 7


def test_end_points_of_text_are_dropped() -> None:
    def ends(type_name: str, mode: str = "default") -> object:
        index = Index(
            name="i", table=QualifiedName("public", "t"), method="btree", keys=(IndexKey(column="c"),),
            end_points=("anna", "zoe"),
        )  # fmt: skip
        catalog = catalog_of(table("t", column("c", type_name, type_name, statistics=FEW), indexes=(index,)))
        made = shareable(snapshot_of(catalog, mode))  # type: ignore[arg-type]
        return next(iter(made.catalog.tables.values())).indexes[0].end_points

    assert ends("int8") == ("anna", "zoe")
    assert ends("text") is None
    assert ends("int8", "redacted") is None
    assert ends("text", "included") == ("anna", "zoe")


def with_index(expression: str, stats: ColumnStatistics) -> ColumnStatistics | None:
    """An expression's statistics in a default snapshot, over a text column `email` and a number `n`."""
    index = Index(
        name="i", table=QualifiedName("public", "t"), method="btree", keys=(IndexKey(expression=expression),),
        statistics=(stats,),
    )  # fmt: skip
    made = shareable(snapshot_of(catalog_of(table("t", column("email"), column("n", "int", "int4"), indexes=(index,)))))
    return next(iter(made.catalog.tables.values())).indexes[0].statistics[0]


def test_expressions_are_as_private_as_their_columns() -> None:
    assert with_index("(n * 2)", MANY) == MANY
    hashed = with_index("lower(email)", MANY)
    assert hashed is not None
    assert [value for value, _ in hashed.most_common] == [token(KEY, v, "text") for v in ("anna@x.org", "bert@x.org")]
    numbers = with_index("length(email)", replace(MANY, most_common=(("12", 0.5),)))
    assert numbers is not None
    assert numbers.most_common == ()
    assert "anna" not in repr(with_index("not SQL at all ((", MANY))


def test_combinations_are_hashed_value_by_value() -> None:
    data = CombinedStatistics(
        most_common=(CommonCombination(values=("anna", "1", None), frequency=0.5, base_frequency=0.1),)
    )
    of = ExtendedStatistics(
        name=QualifiedName("public", "s"), table=QualifiedName("public", "t"), definition="",
        columns=("email", "n", "x"), data=(data,),
    )  # fmt: skip
    columns = (column("email"), column("n", "int", "int4"), column("x", "public.person", "person"))
    made = shareable(snapshot_of(catalog_of(table("t", *columns), extended_statistics=(of,))))
    (combination,) = made.catalog.extended_statistics[0].data[0].most_common
    assert combination.values == (token(KEY, "anna", "text"), "1", None)


SECRETS = ("anna@x.org", "4111111111111111", "Anna Meier", "hush", "carl@x.org", "zoe@x.org", "for-anna")


def planted() -> Catalog:
    """A catalog with secrets everywhere that a server keeps any."""
    name = QualifiedName("public", "t")
    names = ColumnStatistics(distinct=-0.8, most_common=(("Anna Meier", 0.1),), histogram=("Anna Meier", "zoe@x.org"))
    cards = ColumnStatistics(distinct=-1, histogram=("4111111111111111", "4111111111111112"))
    lists = replace(MANY, most_common=(("{anna@x.org}", 0.1),), most_common_elements=("anna@x.org",))
    index = Index(
        name="i", table=name, method="btree", keys=(IndexKey(expression="lower(email)"),), statistics=(MANY,),
        end_points=("anna@x.org", "zoe@x.org"),
    )  # fmt: skip
    check = Constraint(name="k", kind="check", table=name, columns=(), definition="CHECK ((a <> 'token=hush'::text))")
    body = "CREATE OR REPLACE FUNCTION public.f()\n RETURNS text\n LANGUAGE sql\nAS $function$ SELECT 'hush' $function$"
    columns = (
        column("email", statistics=MANY, inherited_statistics=MANY),
        column("name", statistics=names),
        column("card", "character(16)", "bpchar", statistics=cards, default="'password=hush'::bpchar"),
        column("friends", "text[]", "_text", statistics=lists),
        column("status", statistics=FEW),
    )
    view = table("v", definition=" SELECT * FROM dblink('password=hush'::text, 'x'::text) t(a integer);")
    values = CommonCombination(values=("anna@x.org", "Anna Meier", "x"), frequency=0.5, base_frequency=0.1)
    extended = ExtendedStatistics(
        name=QualifiedName("public", "s"),
        table=name,
        definition="",
        columns=("email", "name"),
        expressions=("lower(email)",),
        data=(CombinedStatistics(most_common=(values,), expressions=(MANY,)),),
    )
    trigger = "CREATE TRIGGER g AFTER INSERT ON public.t FOR EACH ROW EXECUTE FUNCTION net.http('Bearer hush')"
    return catalog_of(
        table("t", *columns, indexes=(index,), constraints=(check,)),
        view,
        objects=(
            SchemaObject(kind="function", name=QualifiedName("public", "f"), definition=body),
            SchemaObject(kind="trigger", name=QualifiedName("public", "g"), definition=trigger),
        ),
        extended_statistics=(extended,),
    )


def statement(sql: str) -> StatementStatistics:
    return StatementStatistics(
        sql=sql, database="shop", user="app", calls=1, total_us=1, mean_us=1, min_us=1, max_us=1, rows=1
    )


@pytest.mark.parametrize("mode", ["default", "redacted"])
def test_no_planted_secret_is_found(mode: str) -> None:
    statements = (
        statement("SELECT /* for-anna */ * FROM t WHERE email = 'anna@x.org'"),
        statement("ALTER ROLE me PASSWORD 'hush'"),
    )
    made = shareable(snapshot_of(planted(), mode, statements=statements))  # type: ignore[arg-type]
    text = repr(made)
    assert [secret for secret in SECRETS if secret in text] == []
    assert ("paid" in text) is (mode == "default")
    assert made.statements is not None
    assert [row.sql for row in made.statements] == ["SELECT * FROM t WHERE email = $1"]


def test_all_values_are_kept_on_request_but_no_secrets() -> None:
    text = repr(shareable(snapshot_of(planted(), "included")))
    assert [secret for secret in SECRETS if secret not in text] == ["hush", "for-anna"]


def test_redacted_drops_texts_that_no_plan_needs() -> None:
    name = QualifiedName("public", "t")
    textual = Constraint(name="a", kind="check", table=name, columns=(), definition="CHECK ((a <> 'b'::text))")
    plain = Constraint(name="b", kind="check", table=name, columns=(), definition="CHECK ((n > 0))")
    columns = (
        column("a", default="'b'::text"),
        column("n", "int", "int4", default="nextval('public.s'::regclass)"),
        column("g", default="(a || 'x'::text)", generated="stored"),
    )
    catalog = catalog_of(table("t", *columns, constraints=(textual, plain)))
    (made,) = shareable(snapshot_of(catalog, "redacted")).catalog.tables.values()
    assert made.constraints == (plain,)
    assert [each.default for each in made.columns] == [None, "nextval('public.s'::regclass)", "(a || 'x'::text)"]
    (made,) = shareable(snapshot_of(catalog)).catalog.tables.values()
    assert made.constraints == (textual, plain)
    assert made.columns[0].default == "'b'::text"


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(snapshots())
def test_any_snapshot_can_be_made_shareable(snapshot: Snapshot) -> None:
    made = shareable(snapshot)
    assert made.catalog.tables.keys() == snapshot.catalog.tables.keys()
    encode(made)
    if snapshot.values == "redacted":
        stats = [c.statistics for t in made.catalog.tables.values() for c in t.columns if c.statistics]
        assert not any(s.most_common or s.histogram or s.most_common_elements or s.range_bounds for s in stats)


def test_the_workloads_own_literals_come_back() -> None:
    lists = ColumnStatistics(
        distinct=-0.9,
        most_common=(("{urgent,late}", 0.2),),
        most_common_elements=("late", "urgent", "x y"),
        element_frequencies=(0.1, 0.2, 0.3, 0.1, 0.3, 0.0),
    )
    short = replace(MANY, most_common=(("anna@x.org", 0.3),))
    columns = (
        column("email", statistics=MANY),
        column("short", "character varying(10)", "varchar", statistics=short),
        column("tags", "text[]", "_text", statistics=lists),
    )
    made = shareable(snapshot_of(catalog_of(table("t", *columns))))
    asked = workload(
        "SELECT * FROM t WHERE email = 'anna@x.org' AND tags @> '{urgent}'", ("SELECT $1", ("late",)), "broken '"
    )
    (back,) = revealed(made.catalog, KEY, asked).tables.values()
    email, narrow, tags = (each.statistics for each in back.columns)
    assert email is not None
    assert narrow is not None
    assert tags is not None
    assert email.most_common == (("anna@x.org", 0.3), (token(KEY, "bert@x.org", "text"), 0.1))
    assert narrow.most_common == (("anna@x.org", 0.3),)
    assert tags.most_common == (('{"urgent","late"}', 0.2),)
    assert dict(zip(tags.most_common_elements, tags.element_frequencies, strict=False)) == {
        "late": 0.1, "urgent": 0.2, token(KEY, "x y", "text"): 0.3,
    }  # fmt: skip
    assert list(tags.most_common_elements) == sorted(tags.most_common_elements)
    assert revealed(made.catalog, KEY, Workload()) == made.catalog
    assert "bert" not in repr(revealed(made.catalog, KEY, asked))


def test_literals_in_indexed_expressions_and_combinations_come_back() -> None:
    made = shareable(snapshot_of(planted()))
    back = revealed(made.catalog, KEY, workload("SELECT 'anna@x.org', 'Anna Meier', 'x'"))
    stats = back.tables[QualifiedName("public", "t")].indexes[0].statistics[0]
    assert stats is not None
    assert stats.most_common[0] == ("anna@x.org", 0.3)
    data = back.extended_statistics[0].data[0]
    assert data.most_common[0].values == ("anna@x.org", "Anna Meier", "x")
    assert data.expressions[0] is not None
    assert data.expressions[0].most_common[0][0] == "anna@x.org"


def test_what_privacy_costs_is_said() -> None:
    catalog = catalog_of(table("t", column("email", statistics=MANY), column("n", "int", "int4", statistics=MANY)))
    assert "columns: 1" in (cost_of_privacy(snapshot_of(catalog)) or "")
    assert cost_of_privacy(snapshot_of(catalog, "included")) is None
    assert "--redact" in (cost_of_privacy(snapshot_of(catalog, "redacted")) or "")
    assert cost_of_privacy(snapshot_of(catalog_of(table("t", column("status", statistics=FEW))))) is None
