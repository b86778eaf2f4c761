"""What stands behind a finding decides how loudly it is said."""

import pytest

from advisor.engine.access_gaps import severity_of
from advisor.model.profile import Basis
from advisor.model.workload import Query

TIMED = Query(id="q", sql="SELECT 1", calls=2, timed_calls=2, total_us=90_000)
UNTIMED = Query(id="q", sql="SELECT 1", calls=2)


@pytest.mark.parametrize(
    ("basis", "query", "severity"),
    [
        ("assumed", UNTIMED, "info"),
        ("assumed", None, "info"),
        ("assumed", TIMED, "warning"),
        ("flag", UNTIMED, "warning"),
        ("plan", None, "warning"),
        ("catalog", UNTIMED, "warning"),
    ],
)
def test_severity(basis: Basis, query: Query | None, severity: str) -> None:
    assert severity_of(basis, query) == severity
