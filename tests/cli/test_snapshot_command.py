"""`advisor snapshot` and `--snapshot`: wrong calls and files, and what is said of an old one."""

import json
import time
from pathlib import Path

import pytest

from advisor.catalog.snapshot import encode
from advisor.model.catalog import Column, Index, IndexKey
from advisor.model.names import QualifiedName
from advisor.model.snapshot import Snapshot
from tests.cli.command import MIGRATIONS, SCHEMA, Command
from tests.unit.catalog.snapshots import DAY_US, catalog_of, table

NOW_US = time.time_ns() // 1000


def kept(folder: Path, age_us: int = 0) -> Path:
    """The file of a small snapshot, so many microseconds old."""
    key = Index(
        name="orders_pkey", table=QualifiedName("public", "orders"), method="btree", keys=(IndexKey(column="id"),),
        definition="CREATE INDEX orders_pkey ON public.orders USING btree (id)",
    )  # fmt: skip
    columns = (Column(name="id", type="bigint", base_type="int8"), Column(name="a", type="text", base_type="text"))
    catalog = catalog_of(table("orders", *columns, rows=1000.0, indexes=(key,)))
    snapshot = Snapshot(taken_us=NOW_US - age_us, tool_version="0", values="redacted", catalog=catalog)
    path = folder / "prod.snapshot"
    path.write_bytes(encode(snapshot))
    return path


def test_a_place_that_cannot_be_written(advisor: Command) -> None:
    ran = advisor("snapshot", "--dsn", "postgresql://nobody@nowhere.invalid/shop", "-o", "nowhere/prod.snapshot")
    assert "nowhere/prod.snapshot" in ran.error()


def test_a_database_that_does_not_answer_leaves_no_file(advisor: Command) -> None:
    ran = advisor("snapshot", "--dsn", "postgresql://me:s3cret@nowhere.invalid/shop", "-o", "prod.snapshot")
    assert "nowhere.invalid" in ran.error()
    assert "s3cret" not in ran.err
    assert list(advisor.home.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("--dsn", "postgresql:///shop", "-o", "-"),
        ("--dsn", "postgresql:///shop", "-o", "f", "--redact", "--include-values"),
    ],
)
def test_calls_that_are_refused(advisor: Command, arguments: tuple[str, ...]) -> None:
    assert advisor("snapshot", *arguments).error()
    assert list(advisor.home.iterdir()) == []


@pytest.mark.parametrize("arguments", [("-o", "f"), ("--dsn", "postgresql:///shop")])
def test_calls_that_lack_something(advisor: Command, arguments: tuple[str, ...]) -> None:
    assert "Missing option" in advisor("snapshot", *arguments).refusal()


@pytest.mark.parametrize("command", [("analyze",), ("check", MIGRATIONS / "first")])
def test_two_catalogs_exclude_each_other(advisor: Command, command: tuple[str | Path, ...]) -> None:
    path = kept(advisor.home)
    ran = advisor(*command, "--snapshot", path, "--schema", SCHEMA)
    assert "--schema and --snapshot exclude each other" in ran.error()
    ran = advisor(*command, "--snapshot", path, "--dsn", "postgresql:///shop")
    assert "--dsn and --snapshot exclude each other" in ran.error()


@pytest.mark.parametrize("content", [b"", b"-- no snapshot", b'{"format":"pg-query-advisor snapshot","version":99}\n'])
def test_a_file_that_is_no_snapshot(advisor: Command, content: bytes) -> None:
    (advisor.home / "f").write_bytes(content)
    assert "f" in advisor("analyze", "--snapshot", "f").error()
    assert "f" in advisor("check", MIGRATIONS / "first", "--snapshot", "f").error()


def test_a_file_that_is_not_there(advisor: Command) -> None:
    assert "nothing" in advisor("analyze", "--snapshot", "nothing").error()


def test_two_snapshots(advisor: Command) -> None:
    path = kept(advisor.home)
    assert "more than one snapshot" in advisor("analyze", path, "--snapshot", path).error()


def test_as_input_it_is_the_snapshot(advisor: Command) -> None:
    path = kept(advisor.home)
    ran = advisor("analyze", path, "--format", "json")
    assert ran.code == 0, ran.err
    messages = [(d["level"], d["message"]) for d in ran.document()["diagnostics"]]
    assert any("Judged by a snapshot of shop" in message for _, message in messages)
    assert any("no workload" in message for _, message in messages)
    assert not any("days old" in message for _, message in messages)


def test_an_old_one_is_warned_about(advisor: Command) -> None:
    path = kept(advisor.home, age_us=90 * DAY_US)
    (advisor.home / "q.sql").write_text("SELECT a FROM orders WHERE id = 7;\n")
    ran = advisor("analyze", "q.sql", "--snapshot", path, "--format", "json")
    assert ran.code == 0, ran.err
    warnings = [d["message"] for d in json.loads(ran.out)["diagnostics"] if d["level"] == "warning"]
    assert any("90 days old" in message for message in warnings)
