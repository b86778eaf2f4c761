"""Which names of columns are those of references."""

import pytest

from advisor.engine.undeclared import stem_of


@pytest.mark.parametrize(
    ("column", "stem"),
    [("author_id", "author"), ("homeTeamId", "hometeam"), ("owner_user_uuid", "owner_user"), ("userID", "user")],
)
def test_reference(column: str, stem: str) -> None:
    assert stem_of(column) == stem


@pytest.mark.parametrize("column", ["id", "_id", "paid", "valid", "grid", "author", "id_author"])
def test_no_reference(column: str) -> None:
    assert stem_of(column) is None
