"""The digests of the sample logs stay what they are, however they are read."""

import hashlib
from pathlib import Path

import pytest

from advisor.model.options import Options
from advisor.model.workload import Workload
from advisor.workload.read import read_workload

DATA = Path(__file__).parents[1] / "sources" / "data"


def summary(workload: Workload) -> str:
    """What was understood, without what depends on how a query is identified."""
    names = {query.id: query.sql for query in workload.queries}
    queries = [
        (
            (each.sql, each.database, each.user, each.calls, each.timed_calls, each.total_us, each.max_us, each.rows),
            (sorted(each.latency.counts.items()), sorted(each.tags.items()), each.first_us, each.last_us),
            [(sample.sql, sample.parameters, sample.duration_us) for sample in each.samples],
        )
        for each in workload.queries
    ]
    repetitions = [
        (
            (names[each.query_id], names.get(each.parent_id or ""), each.units, each.units_repeated, each.calls),
            (each.max_calls, each.distinct_parameters, each.duration_us, each.gap_us),
            [(one.session, one.from_us, one.to_us, one.calls, one.parent_rows, one.keys) for one in each.instances],
        )
        for each in workload.repetitions
    ]
    coverage = workload.coverage
    counts = (coverage.bytes_total, coverage.bytes_classified, coverage.events, coverage.statements)
    return repr((sorted(queries, key=str), sorted(repetitions, key=str), counts))


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("all-18.csv", "8b1a9323d10e534b"),
        ("all-18.json", "1b3adb6ede4cfd1a"),
        ("all-18.log", "eecbdb620d624aa1"),
        ("explain_json-18.csv", "1339abb204e1b050"),
        ("explain_json-18.json", "13835372d3e7773b"),
        ("explain_json-18.log", "b6ef5c50f9718049"),
        ("explain_text-18.log", "d85832702be23378"),
        ("min0-15.log", "e6a0f66b0b68140b"),
        ("min0-18.csv", "5b3e2a3e21ec6578"),
        ("min0-18.json", "eba9c2b7c1cada69"),
        ("min0-18.log", "0af7e28efd3c0c87"),
    ],
)
def test_the_digest_of_a_sample_is_unchanged(name: str, digest: str) -> None:
    seen = summary(read_workload([str(DATA / name)], Options()))
    assert hashlib.sha256(seen.encode()).hexdigest()[:16] == digest
