"""Every MIG rule on every case with migrations, run through the gate on a real server."""

from dataclasses import replace
from pathlib import Path

import pytest

from advisor.engine.registry import load_rules
from advisor.engine.run import RuleRun, run_rules
from advisor.migrations.gate import run_gate
from advisor.migrations.read import read_migrations
from advisor.model.advice import Advice
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

REMEDIED = ("MIG001", "MIG002", "MIG005", "MIG006")
"""Rules whose remedies are statements."""


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


def pasted(run: RuleRun, code: str) -> list[str]:
    """The statements of the remedies of the rule's findings, each remedy as one file."""
    remedies = [remedy for finding in run.findings if finding.rule == code for remedy in finding.remedies]
    return ["\n".join(remedy.statements) for remedy in remedies if isinstance(remedy, Advice) and remedy.statements]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.code}-{case.path.stem}")
def test_case(case: Case, sandbox: Sandbox, database: str, tmp_path: Path) -> None:
    run = judge(case, sandbox, database, tmp_path)
    assert run.diagnostics == ()
    found = {finding.key: finding for finding in run.findings}
    expected = {e: [key for key, f in found.items() if f.rule == e[0] and e[1] in key] for e in case.expect}
    assert [e for e, keys in expected.items() if not keys] == [], sorted(found)
    assert set(found) == {key for keys in expected.values() for key in keys}
    assert all(f.location is not None and f.location.line >= 1 for f in found.values())


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.fires and case.code in REMEDIED],
    ids=lambda case: f"{case.code}-{case.path.stem}",
)
def test_the_remedy_runs_as_pasted_and_is_not_found_itself(
    case: Case, sandbox: Sandbox, database: str, tmp_path: Path
) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    for file in pasted(judge(case, sandbox, database, tmp_path / "first"), case.code):
        sandbox.drop_database(database)
        sandbox.create_database(database)
        kept = case.migrations if case.code == "MIG006" else ()
        again = judge(replace(case, migrations=(*kept, ("99_safe.sql", file))), sandbox, database, tmp_path / "second")
        assert [finding.key for finding in again.findings] == []


@pytest.mark.parametrize(
    "case", {case.code: case for case in CASES if case.fires}.values(), ids=lambda case: f"{case.code}-{case.path.stem}"
)
def test_keys_do_not_depend_on_lines(case: Case, sandbox: Sandbox, database: str, tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    first = judge(case, sandbox, database, tmp_path / "first")
    sandbox.drop_database(database)
    sandbox.create_database(database)
    lower = tuple((name, "\n" * 50 + text) for name, text in case.migrations)
    second = judge(replace(case, migrations=lower), sandbox, database, tmp_path / "second")
    places = [[(f.key, f.location.line) for f in run.findings if f.location] for run in (first, second)]
    assert places[1] == [(key, line + 50) for key, line in places[0]]
