"""Every MIG rule on every case with migrations, run through the gate on a real server."""

from pathlib import Path

import pytest

from advisor.engine.registry import load_rules
from advisor.engine.run import RuleRun, run_rules
from advisor.migrations.gate import run_gate
from advisor.migrations.read import read_migrations
from advisor.model.evidence import Evidence
from advisor.model.names import QualifiedName
from advisor.model.profile import TableProfile
from advisor.model.workload import Query, Workload
from advisor.sandbox.server import Sandbox
from advisor.sql.identify import identify
from advisor.sql.split import split
from tests.rules.cases import Case, read_cases

CASES = [case for case in read_cases() if case.migrations]
RULES = [rule for rule in load_rules() if "migrations" in rule.needs]


def judge(case: Case, sandbox: Sandbox, database: str, folder: Path) -> RuleRun:
    """The case's migrations on its schema, and what the rules make of them."""
    with sandbox.connect(database) as connection:
        connection.execute(case.schema.encode())
        connection.execute("ANALYZE")
    for name, text in case.migrations:
        (folder / name).write_text(text)
    queries = [(identify(s.sql).id, s.sql) for s in split(case.queries or "")]
    files = read_migrations([str(folder)])
    gate = run_gate(sandbox, database, files, [(query_id, text, 1.0) for query_id, text in queries])
    profile = {QualifiedName("public", name): TableProfile(rows=rows, basis="flag") for name, rows in case.rows.items()}
    evidence = Evidence(
        workload=Workload(queries=tuple(Query(id=query_id, sql=text) for query_id, text in queries)),
        catalog=gate.catalog_before,
        catalog_after=gate.catalog_after,
        profile=profile,
        migrations=gate.migrations,
    )
    return run_rules(RULES, evidence)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.code}-{case.path.stem}")
def test_case(case: Case, sandbox: Sandbox, database: str, tmp_path: Path) -> None:
    run = judge(case, sandbox, database, tmp_path)
    assert run.diagnostics == ()
    found = {finding.key: finding for finding in run.findings}
    expected = {e: [key for key, f in found.items() if f.rule == e[0] and e[1] in key] for e in case.expect}
    assert [e for e, keys in expected.items() if not keys] == [], sorted(found)
    assert set(found) == {key for keys in expected.values() for key in keys}
    assert all(f.location is not None and f.location.line >= 1 for f in found.values())
