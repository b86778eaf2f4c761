"""What a user and a script see of the commands on the shop's fixtures."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import BROKEN, MIGRATIONS, SCHEMA, SHOP, Command, Ran

LABELS: dict[str, Any] = json.loads((SHOP / "labels.json").read_text(encoding="utf-8"))


def finding_tables(document: dict[str, Any], rule: str) -> set[str]:
    return {table for f in document["findings"] if f["rule"] == rule for table in f["subject"]["tables"]}


def test_the_shops_log_gives_a_valid_document(shop: Ran) -> None:
    assert shop.code == 0
    document = shop.document()
    assert document["complete"] is True
    assert document["inputs"][0]["format"] == "stderr"
    assert document["sandboxes"][0]["provider"] == "embedded"
    assert "read as stderr" in shop.err


@pytest.mark.parametrize("rule", ["IDX001", "NPO001", "SCN001", "QRY001"])
def test_the_faults_of_the_shop_are_found(shop: Ran, rule: str) -> None:
    wanted = {fault["table"] for fault in LABELS["faults"] if fault["rule"] == rule}
    assert wanted
    assert wanted <= finding_tables(shop.document(), rule)


def test_every_index_is_proven_and_can_be_taken_back(shop: Ran) -> None:
    indexes = [r for r in shop.document()["recommendations"] if r["kind"] == "create_index"]
    proven = [r for r in indexes if r["verdict"]["status"] == "proven"]
    assert len(proven) >= 7
    for recommendation in proven:
        assert any(s.startswith("CREATE INDEX CONCURRENTLY ") for s in recommendation["statements"])
        assert any(s.startswith("DROP INDEX CONCURRENTLY ") for s in recommendation["rollback"])
        measured = recommendation["verdict"]
        assert measured["after"]["cost"] < measured["before"]["cost"]
        assert measured["sandbox"] == "S1"


def test_every_rewrite_was_compared(shop: Ran) -> None:
    rewrites = [r for r in shop.document()["recommendations"] if r["kind"] == "rewrite_query"]
    shown = [r for r in rewrites if r["verdict"]["status"] == "proven"]
    assert shown
    for recommendation in shown:
        assert recommendation["verdict"]["equivalence"]["status"] == "checked"
        assert recommendation["verdict"]["equivalence"]["datasets"] >= 2


@pytest.mark.slow
@pytest.mark.parametrize("name", ["postgresql.csv", "postgresql.json", "postgresql.log.gz"])
def test_other_formats_of_the_same_run_give_the_same_findings(shop: Ran, advisor: Command, name: str) -> None:
    other = advisor("analyze", SHOP / name, "--schema", SCHEMA, "--format", "json").document()
    assert {f["key"] for f in other["findings"]} == {f["key"] for f in shop.document()["findings"]}


def test_both_texts_of_one_run_into_files_and_stdout(advisor: Command) -> None:
    ran = advisor(
        *("analyze", SHOP / "postgresql.log", "--schema", SCHEMA, "--select", "SCN001"),
        *("--format", "text", "--format", "json", "-o", "report.json"),
    )
    assert ran.code == 0
    document = Ran(code=0, out=(advisor.home / "report.json").read_text(encoding="utf-8"), err="").document()
    assert {f["rule"] for f in document["findings"]} == {"SCN001"}
    assert "SCN001 unbounded-scan" in ran.out
    assert [path.name for path in advisor.home.iterdir()] == ["report.json"]


def test_a_file_is_replaced_as_a_whole_or_not_at_all(advisor: Command) -> None:
    path = advisor.home / "report.json"
    path.write_text("before")
    advisor("analyze", BROKEN / "empty.log", "--format", "json", "-o", path).error()
    assert path.read_text() == "before"
    ran = advisor("analyze", BROKEN / "unparsable.log", "--format", "json", "-o", path)
    assert (ran.code, ran.out) == (0, "")
    assert json.loads(path.read_text())["command"] == "analyze"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("-o", "a", "-o", "b"), "more -o FILE"),
        (("--format", "json", "--format", "text"), "only one format"),
        (("--format", "json", "--format", "text", "-o", "a", "-o", "a"), "one file"),
        (("-o", "nothing/here.txt"), "is not a folder"),
        (("-o", "."), "it is a folder"),
        (("--dsn", "postgresql://h/a", "--schema", "b.sql"), "exclude each other"),
        (("postgresql://h/a", "postgresql://h/b"), "more than one database"),
        (("--select", "NOPE999"), "NOPE999"),
        (("--sandbox", "off", "--schema", str(SCHEMA)), "--sandbox off"),
    ],
)
def test_wrong_calls(advisor: Command, flags: tuple[str, ...], said: str) -> None:
    assert said in advisor("analyze", SHOP / "postgresql.log", *flags).error()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("analyse",), "Did you mean"),
        (("analyze", "--fromat", "json"), "--format"),
        (("analyze", "--format", "yaml"), "'text', 'json', 'github'"),
        (("analyze", "x.log", "--table-rows", "orders"), "orders=2000000"),
        (("analyze", "x.log", "--since", "yesterday"), "ISO 8601"),
        (("check",), "MIGRATION"),
        (("explain",), "CODE"),
    ],
)
def test_wrong_usage(advisor: Command, flags: tuple[str, ...], said: str) -> None:
    assert said in advisor(*flags).refusal()


def test_nothing_to_analyze(advisor: Command) -> None:
    assert "Give a log" in advisor("analyze").error()


def test_failing_on_warnings(advisor: Command) -> None:
    queries = advisor.home / "queries.sql"
    queries.write_text("SELECT id FROM payments WHERE provider_reference = 'pay_1'", encoding="utf-8")
    rows = ("--table-rows", "payments=20000")
    call = ("analyze", queries, "--schema", SCHEMA, *rows, "-q", "--select", "IDX001", "--fail-on")
    assert advisor(*call, "warning").code == 1
    assert advisor(*call, "error").code == 0


def test_quiet_is_quiet(advisor: Command) -> None:
    assert advisor("analyze", BROKEN / "unparsable.log", "-q").err == ""


def test_the_dangerous_migrations_fail(first: Ran) -> None:
    assert first.code == 1
    document = first.document()
    names = [Path(m["file"]).name for m in document["migrations"]]
    assert names == sorted(path.name for path in (MIGRATIONS / "first").glob("*.sql"))
    assert any(change["change"] != "same" for m in document["migrations"] for change in m["workload"])


def test_the_labelled_hazards_are_found(first: Ran) -> None:
    labels = json.loads((MIGRATIONS / "first" / "labels.json").read_text(encoding="utf-8"))
    files: dict[str, Any] = labels["files"]
    found: dict[str, set[str]] = {name: set() for name in files}
    for finding in first.document()["findings"]:
        found[Path(finding["location"]["file"]).name].add(finding["name"])
    for name, label in files.items():
        assert set(label["rules"]) <= found[name] <= set(label["rules"]) | set(label["allowed"]), name


def test_the_safe_migrations_pass(advisor: Command) -> None:
    ran = advisor(
        *("check", MIGRATIONS / "safe", "--schema", SCHEMA),
        *("--workload", SHOP / "postgresql.log.gz", "--format", "github", "-q"),
    )
    assert ran.code == 0
    assert "::error" not in ran.out


def test_annotations_on_the_lines_of_the_migrations(advisor: Command) -> None:
    path = MIGRATIONS / "first" / "0001_orders_customer_index.sql"
    ran = advisor("check", path, "--schema", SCHEMA, "--format", "github", "-q")
    assert ran.code == 1
    assert re.search(r"^::error title=MIG001 [^\n]*,file=[^\n]*0001_orders_customer_index\.sql,line=2,", ran.out)


def test_migrations_alone_build_their_database(advisor: Command) -> None:
    (advisor.home / "0001.sql").write_text("CREATE TABLE t (id bigint PRIMARY KEY);\n")
    (advisor.home / "0002.sql").write_text("ALTER TABLE t ADD COLUMN note text;\n")
    ran = advisor("check", "0001.sql", "0002.sql", "--format", "json")
    assert ran.code == 0
    assert [m["error"] for m in ran.document()["migrations"]] == [None, None]


def test_a_migration_that_fails_to_apply_is_a_finding(advisor: Command) -> None:
    (advisor.home / "0001.sql").write_text("ALTER TABLE nothing ADD COLUMN x int;\n")
    ran = advisor("check", "0001.sql", "--schema", SCHEMA, "--format", "json")
    assert ran.code == 1
    assert [f["rule"] for f in ran.document()["findings"]] == ["MIG007"]


def test_plans_and_queries_without_a_log(advisor: Command) -> None:
    (advisor.home / "q.sql").write_text(
        "-- calls: 500\nSELECT id, status FROM payments WHERE provider_reference = 'pi_1';\n"
    )
    ran = advisor("analyze", "q.sql", "--schema", SCHEMA, "--table-rows", "payments=300000", "--format", "json")
    document = ran.document()
    assert [q["calls"] for q in document["workload"]["queries"]] == [500]
    assert "public.payments" in finding_tables(document, "IDX001")


def test_without_a_sandbox_nothing_is_called_proven(advisor: Command) -> None:
    ran = advisor("analyze", SHOP / "postgresql.log", "--sandbox", "off", "--format", "json")
    document = ran.document()
    assert document["sandboxes"] == []
    assert {r["verdict"]["status"] for r in document["recommendations"]} <= {"not_tested"}
    assert "proven" not in advisor("analyze", SHOP / "postgresql.log", "--sandbox", "off").out


def test_colours_only_where_wanted(advisor: Command) -> None:
    broken = BROKEN / "unparsable.log"
    assert "\x1b" not in advisor("analyze", broken).out
    assert "\x1b" not in advisor("analyze", broken, NO_COLOR="1").out
    assert "\x1b[" in advisor("analyze", broken, "--color", "always", TERM="xterm").out
    assert "\x1b" not in advisor("analyze", broken, "--color", "never").out


def test_a_terminal_without_unicode(advisor: Command) -> None:
    ran = advisor("analyze", SHOP / "postgresql.log", "--sandbox", "off", PYTHONIOENCODING="ascii")
    assert ran.code == 0
    assert ran.out.isascii()


def test_configuration_environment_and_flags(advisor: Command) -> None:
    (advisor.home / "advisor.toml").write_text('format = "json"\nselect = ["IDX001"]\nquiet = true\n')
    call = ("analyze", BROKEN / "unparsable.log")
    ran = advisor(*call)
    assert ran.document()["coverage"]["rules_run"] + ran.document()["coverage"]["rules_skipped"]
    assert ran.err == ""
    assert not advisor(*call, ADVISOR_FORMAT="text").out.startswith("{")
    assert not advisor(*call, "--format", "text").out.startswith("{")


@pytest.mark.parametrize("name", ["advisor.toml", "pyproject.toml"])
def test_an_unknown_key_of_the_configuration(advisor: Command, name: str) -> None:
    head = "[tool.advisor]\n" if name == "pyproject.toml" else ""
    (advisor.home / name).write_text(f"{head}min_calls = 3\n")
    error = advisor("analyze", BROKEN / "unparsable.log").error()
    assert "min_calls" in error
    assert "Did you mean min-calls?" in error


def test_a_configuration_that_does_not_parse(advisor: Command) -> None:
    (advisor.home / "advisor.toml").write_text("format = \n")
    assert "advisor.toml" in advisor("rules", "list").err


def test_rules_are_listed_and_explained(advisor: Command) -> None:
    listed = advisor("rules", "list")
    assert listed.code == 0
    codes = re.findall(r"^[A-Z]{3}\d{3}", listed.out, re.MULTILINE)
    assert codes == sorted(codes)
    assert len(codes) == len(set(codes)) >= 13
    for name in ("IDX001", "missing-index"):
        page = advisor("explain", name)
        assert page.code == 0
        assert "What it does" in page.out
        assert "When it is fine" in page.out


def test_a_rule_that_is_not_there(advisor: Command) -> None:
    assert "IDX0001" in advisor("explain", "IDX0001").error()


def test_the_version(advisor: Command) -> None:
    assert re.fullmatch(r"advisor, version \d+\.\d+\.\d+\n", advisor("--version").out)


@pytest.mark.slow
def test_the_demo(shared_advisor: Command) -> None:
    ran = shared_advisor("demo")
    assert ran.code == 0
    assert "proven on S1" in ran.out
    assert max(map(len, ran.out.split("\n"))) <= 80
