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
        (each.sql, each.database, each.user, each.calls, each.timed_calls, each.total_us, each.max_us, each.rows)
        + (sorted(each.latency.counts.items()), sorted(each.tags.items()), each.first_us, each.last_us)
        + tuple((sample.sql, sample.parameters, sample.duration_us) for sample in each.samples)
        for each in workload.queries
    ]
    repetitions = [
        (names[each.query_id], names.get(each.parent_id or ""), each.units, each.units_repeated, each.calls)
        + (each.max_calls, each.distinct_parameters, each.duration_us, each.gap_us)
        + tuple((one.session, one.from_us, one.to_us, one.calls, one.parent_rows, one.keys) for one in each.instances)
        for each in workload.repetitions
    ]
    coverage = workload.coverage
    counts = (coverage.bytes_total, coverage.bytes_classified, coverage.events, coverage.statements)
    return repr((sorted(queries, key=str), sorted(repetitions, key=str), counts))


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("all-18.csv", "9c76ccbab673b9a8"),
        ("all-18.json", "dc38b9830ac6d8a1"),
        ("all-18.log", "7a89db2f3a9d3987"),
        ("explain_json-18.csv", "018595d70432b7d1"),
        ("explain_json-18.json", "6d474a12fb9c3463"),
        ("explain_json-18.log", "9c7b0e5f77ee7080"),
        ("explain_text-18.log", "c55050816def4faa"),
        ("min0-15.log", "70171f22207718a2"),
        ("min0-18.csv", "0d28c76d792cc5bc"),
        ("min0-18.json", "0327d7e56c7c4917"),
        ("min0-18.log", "390c7504a029bbf2"),
    ],
)
def test_the_digest_of_a_sample_is_unchanged(name: str, digest: str) -> None:
    seen = summary(read_workload([str(DATA / name)], Options()))
    assert hashlib.sha256(seen.encode()).hexdigest()[:16] == digest
