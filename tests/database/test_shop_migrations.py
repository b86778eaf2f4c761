"""The shop's migrations against their labels: every hazard is found at its place, nothing is said of a safe file."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql

from advisor.api import check
from advisor.engine.profile import believe
from advisor.engine.registry import load_rules
from advisor.engine.run import run_rules
from advisor.engine.usages import usages_of
from advisor.migrations.gate import run_gate
from advisor.migrations.read import read_migrations
from advisor.migrations.workload import WorkloadQuery
from advisor.model.advice import Finding
from advisor.model.evidence import Evidence
from advisor.model.options import Options
from advisor.model.report import Report
from advisor.sandbox.server import Sandbox
from advisor.validate.lab import Lab
from advisor.validate.state import RunState
from advisor.validate.statements import runnables
from advisor.validate.target import Target
from advisor.workload.read import read_workload

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
SCHEMA = FIXTURES / "schemas" / "shop.sql"
LOG = FIXTURES / "logs" / "shop" / "postgresql.log.gz"
FIRST = FIXTURES / "migrations" / "first"
LABELS: dict[str, dict[str, Any]] = json.loads((FIRST / "labels.json").read_text())["files"]
RULES = [rule for rule in load_rules() if "migrations" in rule.needs]


@cache
def report_of(folder: Path) -> Report:
    return check([str(folder)], schema=str(SCHEMA), workload=[str(LOG)])


@pytest.fixture(scope="module")
def bench() -> Iterator[tuple[Lab, Evidence, list[WorkloadQuery]]]:
    """The filled shop and its workload, made once: each file alone gets a copy of the database."""
    with ExitStack() as stack:
        target = Target(stack=stack, dsn=None, schema=str(SCHEMA), options=Options())
        state = RunState(command="check")
        workload = read_workload([str(LOG)], Options())
        catalog = target.catalog(state, workload)
        assert catalog is not None
        usages = usages_of(workload, catalog)
        profile, _ = believe(catalog, workload, usages, {})
        evidence = Evidence(workload=workload, catalog=catalog, usages=usages, profile=profile)
        lab = target.lab(state, evidence)
        assert lab is not None
        with lab.connect() as connection:
            runs = runnables(workload.queries, usages, connection).values()
        yield lab, evidence, [(run.query_id, run.statements[0], run.weight) for run in runs if run.statements]


def alone(bench: tuple[Lab, Evidence, list[WorkloadQuery]], path: Path) -> list[Finding]:
    """What the rules find in one file on a copy of the filled shop."""
    lab, evidence, queries = bench
    copy_database(lab.sandbox, lab.database, "alone")
    try:
        gate = run_gate(lab.sandbox, "alone", read_migrations([str(path)]), queries, missing=lab.warnings)
    finally:
        lab.sandbox.drop_database("alone")
    after = Evidence(
        workload=evidence.workload,
        catalog=evidence.catalog,
        usages=evidence.usages,
        profile=evidence.profile,
        migrations=gate.migrations,
        catalog_after=gate.catalog_after,
    )
    return list(run_rules(RULES, after).findings)


def copy_database(sandbox: Sandbox, source: str, name: str) -> None:
    """A copy of a database's files under another name, with the same owner."""
    sandbox.create_database(name)
    with closing(sandbox.connect(name)) as new, closing(sandbox.connect(source)) as old:
        names = [c.execute("SELECT current_database(), current_user").fetchone() for c in (new, old)]
    (full, owner), (template, _) = (row for row in names if row is not None)
    with closing(sandbox.admin()) as admin:
        admin.autocommit = True
        parts = [sql.Identifier(part) for part in (full, template, owner)]
        admin.execute(sql.SQL("DROP DATABASE {}").format(parts[0]))
        admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {}").format(*parts))


def judged(findings: list[Finding], label: dict[str, Any]) -> None:
    names = {finding.name for finding in findings}
    errors = {finding.name for finding in findings if finding.severity == "error"}
    assert set(label["rules"]) <= names
    assert errors <= {*label["rules"], *label["allowed"]}
    assert bool(errors) == (label["exit"] == 1)
    tables = {table.removeprefix("public.") for finding in findings for table in finding.subject.tables}
    assert not findings or not label["objects"] or {t.removeprefix("public.") for t in label["objects"]} & tables
    assert all(finding.severity == "error" for finding in findings) or label["rules"] == ["fk-without-index"]


@pytest.mark.parametrize("name", LABELS)
def test_file_alone(bench: tuple[Lab, Evidence, list[WorkloadQuery]], name: str) -> None:
    judged(alone(bench, FIRST / name), LABELS[name])


@pytest.mark.parametrize("name", LABELS)
def test_file_in_the_folder(name: str) -> None:
    found = [f for f in report_of(FIRST).findings if f.location and Path(f.location.file).name == name]
    judged(found, LABELS[name])


def test_one_cause_gives_one_finding() -> None:
    findings = report_of(FIRST).findings
    places = [(f.rule, f.location.file, f.location.line) for f in findings if f.location]
    assert len(places) == len(set(places)) == len(findings)


def test_queries_are_called_faster_only_where_an_index_came() -> None:
    faster = {Path(m.file).name for m in report_of(FIRST).migrations if any(c.change == "faster" for c in m.workload)}
    assert faster == {
        "0001_orders_customer_index.sql",
        "0002_payments_reference_index.sql",
        "0018_stock_movements_index.sql",
    }


def test_the_safe_ways_are_clean() -> None:
    report = report_of(FIXTURES / "migrations" / "safe")
    assert report.findings == ()
    assert all(statement.traced for migration in report.migrations for statement in migration.statements)
    assert not {c.change for m in report.migrations for c in m.workload} & {"broken", "slower", "stale_statistics"}
