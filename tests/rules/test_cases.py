"""Runs every case of every rule: the schema on a real server, the workload through the real readers."""

from dataclasses import replace
from pathlib import Path

import pytest

from advisor.catalog.read import read_catalog
from advisor.engine.profile import believe
from advisor.engine.registry import load_rules
from advisor.engine.run import run_rules
from advisor.engine.usages import usages_of
from advisor.model.advice import Finding
from advisor.model.catalog import Catalog
from advisor.model.evidence import Evidence
from advisor.model.options import Options
from advisor.model.sketch import LatencySketch, bucket_of
from advisor.model.workload import Query, Workload
from advisor.sandbox.server import Sandbox
from advisor.sql.identify import identify
from advisor.sql.split import split
from advisor.workload.read import read_workload
from tests.rules.cases import Case, mean_ms, read_cases

CASES = [case for case in read_cases() if not case.migrations]
RULES = [rule for rule in load_rules() if "migrations" not in rule.needs]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.code}-{case.path.stem}")
def test_case(case: Case, sandbox: Sandbox, database: str, tmp_path: Path) -> None:
    catalog = _catalog(case, sandbox, database)
    workload = _workload(case, tmp_path)
    usages = usages_of(workload, catalog)
    profile, _ = believe(catalog, workload, usages, case.rows)
    run = run_rules(RULES, Evidence(workload=workload, catalog=catalog, usages=usages, profile=profile))
    assert run.diagnostics == ()
    found = {(finding.rule, _object(finding)) for finding in run.findings}
    if not case.fires:
        assert found == set()
        return
    assert {e for e in case.expect if not any(code == e[0] and e[1] in text for code, text in found)} == set()
    others = {(code, text) for code, text in found if not any(code == c and t in text for c, t in case.expect)}
    assert {other for other in others if other[0] == case.code} == set()


def _catalog(case: Case, sandbox: Sandbox, database: str) -> Catalog:
    with sandbox.connect(database) as connection:
        connection.execute(case.schema.encode())
        connection.commit()
        return read_catalog(connection)


def _workload(case: Case, folder: Path) -> Workload:
    inputs = []
    for name, text in (("queries.sql", case.queries), ("postgresql.log", case.log)):
        if text is not None:
            (folder / name).write_text(text)
            inputs.append(str(folder / name))
    workload = read_workload(inputs, Options())
    means = _means(case.queries or "")
    return replace(workload, queries=tuple(_timed(query, means.get(query.id)) for query in workload.queries))


def _means(queries: str) -> dict[str, float]:
    means: dict[str, float] = {}
    for statement in split(queries):
        found = [mean for comment in statement.comments if (mean := mean_ms(comment)) is not None]
        if found:
            means[identify(statement.sql).id] = found[-1]
    return means


def _timed(query: Query, mean: float | None) -> Query:
    """The query as if every call had been measured to take the mean: a `.sql` file has no durations of its own."""
    if mean is None:
        return query
    each = round(mean * 1000)
    sketch = LatencySketch({bucket_of(each): query.calls})
    return replace(query, timed_calls=query.calls, total_us=each * query.calls, max_us=each, latency=sketch)


def _object(finding: Finding) -> str:
    """The finding's key without spaces, as `expect:` is compared."""
    return "".join(finding.key.split())
