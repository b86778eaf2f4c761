"""csvlog's columns as an object, which services make of each record, to lines of PostgreSQL's jsonlog.

Sources: PostgreSQL manual, "Using CSV-Format Log Output" and "Using JSON-Format Log Output".
"""

import csv
import io
from collections.abc import Mapping
from typing import Any

import orjson

_NAMES = {
    "user_name": "user",
    "database_user": "user",
    "database_name": "dbname",
    "process_id": "pid",
    "session_id": "session_id",
    "session_line_num": "line_num",
    "command_tag": "ps",
    "session_start_time": "session_start",
    "virtual_transaction_id": "vxid",
    "transaction_id": "txid",
    "error_severity": "error_severity",
    "sql_state_code": "state_code",
    "message": "message",
    "detail": "detail",
    "hint": "hint",
    "internal_query": "internal_query",
    "internal_query_pos": "internal_position",
    "context": "context",
    "query": "statement",
    "query_pos": "cursor_position",
    "application_name": "application_name",
    "backend_type": "backend_type",
    "leader_pid": "leader_pid",
    "query_id": "query_id",
}
_NUMBERS = frozenset(("pid", "line_num", "txid", "leader_pid", "query_id", "internal_position", "cursor_position"))
_AUDIT = (
    *("audit_type", "statement_id", "substatement_id", "class", "command"),
    *("object_type", "object_name", "statement", "parameter"),
)
_ALWAYS = frozenset(("error_severity", "message"))


def jsonlog_line(at: str, fields: Mapping[str, Any]) -> bytes:
    """A line of jsonlog; `at` is the record's time as `%m` writes it. Empty columns are left out, as jsonlog does."""
    entry: dict[str, Any] = {"timestamp": at}
    for column, key in _NAMES.items():
        value = fields.get(column)
        if value is None or (value == "" and key not in _ALWAYS):
            continue
        entry[key] = _number(value) if key in _NUMBERS else value if isinstance(value, str) else str(value)
    client = fields.get("connection_from")
    if isinstance(client, str) and client:
        host, _, port = client.rpartition(":")
        entry["remote_host"] = host if host and port.isdecimal() else client
        if host and port.isdecimal():
            entry["remote_port"] = _number(port)
    audit = fields.get("audit")
    if isinstance(audit, dict) and not entry.get("message"):
        entry["message"] = "AUDIT: " + _csv_row([str(audit.get(name) or "") for name in _AUDIT])
    return orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE)


def _number(value: Any) -> int | str:
    """Numbers are written as texts by some; those beyond 64 bits stay texts."""
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        return str(value)
    return number if -(1 << 63) <= number < 1 << 63 else str(number)


def _csv_row(values: list[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(values)
    return text.getvalue()
