"""The events of a log in the report: the document follows its schema, the paragraph says what matters and no more."""

import json
from dataclasses import replace
from importlib.resources import files

import jsonschema

from advisor.model.incident import (
    CheckpointCompleted,
    CheckpointStarted,
    CheckpointsTooFrequent,
    Disconnection,
    Failure,
    LockWait,
    ParameterChanged,
    RecoveryWait,
    ServerNotice,
    TableMaintained,
    TemporaryFile,
)
from advisor.model.report import Report
from advisor.model.server_events import ServerEvents
from advisor.model.workload import Workload
from advisor.report import text
from advisor.report.events import server_events_document, server_events_sentence
from advisor.report.json_format import document
from advisor.workload.incidents import IncidentTotals

MB = 1024 * 1024


def eventful() -> ServerEvents:
    totals = IncidentTotals()
    who = ("00000000000000a1", "shop", "app")
    for stage, waited_us in (("waiting", 1_000_000), ("acquired", 5_200_000)):
        wait = LockWait(stage, 7, "ShareLock", "transaction", "transaction 5", "orders", waited_us, (8,), (7,))  # type: ignore[arg-type]
        totals.add(wait, 10_000_000 + waited_us, *who)
    totals.add(TemporaryFile(812 * MB), 20_000_000, *who)
    for _ in range(12):
        totals.add(Failure("ERROR", "23505", 'duplicate key … "orders_pkey"', None, None, None), 3, *who)
    totals.add(Failure("ERROR", "40P01", "deadlock detected", "deadlock", None, None), 3, *who)
    totals.add(Failure("ERROR", "57014", "canceling …", "statement_timeout", None, None), None, None, "shop", "app")
    totals.add(Failure("ERROR", None, "our own", "recovery_conflict", None, "lock"), 4)
    totals.add(Disconnection(5_000, "app", "shop", "[local]"), 4)
    totals.add(CheckpointStarted(False, ("time",)), 4)
    totals.add(CheckpointCompleted(False, 1, 2, 3, 4, 5, 6, 7, None, 8), 4)
    totals.add(CheckpointsTooFrequent(5), 4)
    totals.add(TableMaintained("vacuum", "shop", "public.orders", 5, False, False, 1, 0, 5, 50, 60, None), 4)
    totals.add(RecoveryWait(True, 5_000, "lock"), 4)
    totals.add(ParameterChanged("log_min_duration_statement", "250"), 4)
    totals.add(ServerNotice("process_crashed"), 4)
    return totals.freeze()


def test_the_document_follows_its_schema() -> None:
    schema = json.loads(files("advisor.report.schemas").joinpath("report.json").read_text())
    for events in (ServerEvents(), eventful()):
        whole = document(Report(command="analyze", workload=Workload(events=events)), "1.0")
        jsonschema.validate(whole, schema, format_checker=jsonschema.FormatChecker())
        assert whole["workload"]["events"] == server_events_document(events)


def test_the_document_has_the_numbers() -> None:
    found = server_events_document(eventful())
    assert found["deadlocks"] == 1
    assert found["errors"]["by_sqlstate"] == {"23505": 12, "40P01": 1, "57014": 1, "unknown": 1}
    assert found["errors"]["by_conflict"] == {"lock": 1}
    assert found["lock_waits"]["longest"][0] | {"at": None} == {
        "at": None,
        "ms": 5200.0,
        "mode": "ShareLock",
        "object": "transaction 5",
        "relation": "orders",
        "database": "shop",
        "user": "app",
        "query": "00000000000000a1",
        "acquired": True,
    }
    assert found["temporary_files"]["bytes"] == 812 * MB
    assert found["queries"] == [
        {
            "query": "00000000000000a1",
            "errors": 13,
            "cancelled": 0,
            "lock_waits": 1,
            "lock_wait_ms": 5200.0,
            "temp_files": 1,
            "temp_bytes": 812 * MB,
        }
    ]
    assert found["parameters"][0]["last"] == {"at": "1970-01-01T00:00:00.000Z", "value": "250"}


def test_the_paragraph_says_what_matters() -> None:
    assert server_events_sentence(eventful()) == (
        "The log also shows: 1 crash of a server process; 1 deadlock; 1 lock wait (longest 5.2 s on orders); 812 MB in"
        " 1 temporary file by 1 query; 1 statement cancelled by statement_timeout; 1 statement cancelled by a conflict"
        " with recovery; checkpoints too frequent (1 warning); 15 errors (23505: 12, 40P01: 1, 57014: 1)."
    )


def test_a_healthy_server_is_not_worth_a_paragraph() -> None:
    totals = IncidentTotals()
    totals.add(Disconnection(5_000, "app", "shop", "[local]"), 4)
    totals.add(CheckpointCompleted(False, 1, 2, 3, 4, 5, 6, 7, None, 8), 4)
    totals.add(ServerNotice("ready"), 4)
    assert server_events_sentence(totals.freeze()) is None
    assert server_events_sentence(ServerEvents()) is None


def test_the_paragraph_fits_the_terminal_and_cannot_steer_it() -> None:
    totals = IncidentTotals()
    wait = LockWait("acquired", 7, "ShareLock", "transaction", "x", "a\x1b[31m" + "b" * 30, 5_000_000, (), ())
    totals.add(wait, 1)
    totals.add(replace_stage(wait), 1)
    report = Report(command="analyze", workload=replace(Workload(), events=totals.freeze()))
    rendered = text.render(report)
    assert "lock wait (longest 5 s on" in " ".join(rendered.split())
    assert "\x1b" not in rendered
    assert max(map(len, rendered.splitlines())) <= 80


def replace_stage(wait: LockWait) -> LockWait:
    return wait._replace(stage="waiting", waited_us=1)
