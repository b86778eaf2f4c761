"""Which look-ups can be batched, and into what."""

import pytest

from advisor.model.advice import BatchProposal
from advisor.model.names import QualifiedName
from advisor.model.workload import Sample
from advisor.rewrites.batch import Batch, batch


def batched(sql: str, column: str = "id") -> Batch | None:
    proposal = BatchProposal(query_id="q", parent_id="p", table=QualifiedName("public", "t"), column=column)
    return batch(proposal, Sample(sql=sql, parameters=("1", "2")))


def test_key_in_the_output() -> None:
    form = batched("SELECT name, id FROM t WHERE id = $1 AND kind = $2")
    assert form is not None
    assert form.batched_sql == "SELECT name, id FROM t WHERE id = ANY($1) AND kind = $2"
    assert (form.parameter, form.key_position, form.key_added) == (1, 1, False)


def test_key_as_a_constant() -> None:
    form = batched("SELECT name, id FROM t WHERE id = 17 AND kind = 'x'")
    assert form is not None
    assert form.single_sql == "SELECT name, id FROM t WHERE id = $1 AND kind = 'x'"
    assert form.batched_sql == "SELECT name, id FROM t WHERE id = ANY($1) AND kind = 'x'"
    assert form.values == (None,)


def test_key_is_added_last() -> None:
    form = batched("SELECT x.name FROM t AS x WHERE $1 = x.id")
    assert form is not None
    assert form.batched_sql == "SELECT x.name, x.id FROM t x WHERE x.id = ANY($1)"
    assert (form.key_position, form.key_added) == (1, True)


def test_star_has_the_key() -> None:
    form = batched("SELECT * FROM t WHERE id = $1")
    assert form is not None
    assert form.key_added is False


def test_quoted_names() -> None:
    form = batched('SELECT "Id" FROM "T" WHERE "Id" = $1', "Id")
    assert form is not None
    assert form.batched_sql == 'SELECT "Id" FROM "T" WHERE "Id" = ANY($1)'


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT name FROM t WHERE id = $1 LIMIT 1",
        "SELECT name FROM t WHERE id = $1 OFFSET $2",
        "SELECT DISTINCT name FROM t WHERE id = $1",
        "SELECT count(*) FROM t WHERE id = $1",
        "SELECT name FROM t WHERE id = $1 GROUP BY name",
        "SELECT name FROM t WHERE id = $1 UNION SELECT name FROM u",
        "SELECT name FROM t WHERE id = $1 FOR UPDATE",
        "SELECT name FROM t WHERE id > $1",
        "SELECT name FROM t WHERE id = $1 OR id = $2",
        "SELECT name FROM t WHERE NOT id = $1",
        "SELECT (SELECT max(x) FROM u) FROM t WHERE id = $1",
        "WITH w AS (SELECT 1) SELECT name FROM t WHERE id = $1",
        "UPDATE t SET name = $2 WHERE id = $1",
    ],
)
def test_left_alone(sql: str) -> None:
    assert batched(sql) is None


@pytest.mark.parametrize("limit", ["LIMIT 1", "LIMIT $2", "LIMIT 1 OFFSET 0", "FETCH FIRST 1 ROW ONLY"])
def test_limit_says_nothing_of_a_unique_key(limit: str) -> None:
    proposal = BatchProposal(query_id="q", parent_id="p", table=QualifiedName("public", "t"), column="id")
    sample = Sample(sql=f'SELECT "t".* FROM "t" WHERE "t"."id" = $1 {limit}', parameters=("1", "2"))
    form = batch(proposal, sample, unique=True)
    assert form is not None
    assert form.batched_sql == "SELECT t.* FROM t WHERE t.id = ANY($1)"
    assert batch(proposal, sample) is None


@pytest.mark.parametrize("limit", ["LIMIT 0", "LIMIT 1 OFFSET 1", "LIMIT ALL", "LIMIT $3"])
def test_limit_that_says_something(limit: str) -> None:
    proposal = BatchProposal(query_id="q", parent_id="p", table=QualifiedName("public", "t"), column="id")
    sample = Sample(sql=f"SELECT name FROM t WHERE id = $1 {limit}", parameters=("1", "2"))
    assert batch(proposal, sample, unique=True) is None
