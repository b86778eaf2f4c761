"""Wraps plain logs as hosted services, syslog and containers do, after their documented formats.

A stderr log is given as bytes; `parts_of` cuts it where PostgreSQL writes: a record with its DETAIL, STATEMENT, … is
one message to syslog, each of these parts is one entry of the services that read the log file.
"""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

HEAD = re.compile(
    rb"(?P<prefix>[^\t\n]*?)(?P<severity>LOG|DETAIL|STATEMENT|ERROR|FATAL|HINT|CONTEXT|LOCATION|WARNING):  "
)
TIME = re.compile(rb"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.(\d{3}))? UTC")
PID = re.compile(rb"\[(\d+)\]")
RECORDS = (b"LOG", b"ERROR", b"FATAL", b"WARNING")
LIMIT = 900


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What begins with a severity: its lines (with their tabs and line ends), when and by whom it was written."""

    text: bytes
    at: datetime
    pid: int
    severity: str
    prefix: bytes


def parts_of(log: bytes) -> list[Part]:
    """The parts of a stderr log whose prefix has a time and `[%p]`."""
    lines: list[list[bytes]] = []
    for line in log.splitlines(keepends=True):
        if HEAD.match(line):
            lines.append([line])
        else:
            lines[-1].append(line)
    return [_part(b"".join(found)) for found in lines]


def _part(text: bytes) -> Part:
    head = HEAD.match(text)
    assert head is not None
    time, pid = TIME.search(text), PID.search(text)
    assert time is not None
    assert pid is not None
    at = datetime.fromisoformat(time[1].decode()).replace(tzinfo=UTC) + timedelta(milliseconds=int(time[2] or b"0"))
    return Part(text=text, at=at, pid=int(pid[1]), severity=head["severity"].decode(), prefix=head["prefix"])


def records_of(log: bytes) -> list[list[Part]]:
    """Each record with its further parts."""
    records: list[list[Part]] = []
    for part in parts_of(log):
        if part.severity.encode() in RECORDS or not records:
            records.append([part])
        else:
            records[-1].append(part)
    return records


def chunks(message: bytes) -> list[bytes]:
    """As `write_syslog` splits a message (src/backend/utils/error/elog.c)."""
    found = []
    while message:
        if message.startswith(b"\n"):
            message = message[1:]
            continue
        size = message.find(b"\n")
        size = min(len(message) if size < 0 else size, LIMIT)
        while size < len(message) and 0x80 <= message[size] < 0xC0:
            size -= 1
        if message[size : size + 1] and not message[size : size + 1].isspace():
            position = size - 1
            while position > 0 and not message[position : position + 1].isspace():
                position -= 1
            size = position if position > 0 else size
        found.append(message[:size])
        message = message[size:]
    return found


def rsyslog_escaped(text: bytes) -> bytes:
    return re.sub(rb"[\x00-\x1f\x7f]", lambda found: b"#%03o" % found[0][0], text)


def syslog_3164(part: Part) -> bytes:
    return f"{part.at:%b} {part.at.day:2d} {part.at:%H:%M:%S} db1 postgres[{part.pid}]: ".encode()


def syslog_iso(part: Part) -> bytes:
    return f"{part.at:%Y-%m-%dT%H:%M:%S.%f}+00:00 db1 postgres[{part.pid}]: ".encode()


def syslog_5424(part: Part) -> bytes:
    return f"<134>1 {part.at:%Y-%m-%dT%H:%M:%S.%f}+00:00 db1 postgres {part.pid} - - ".encode()


def syslog(
    log: bytes,
    header: Callable[[Part], bytes] = syslog_3164,
    *,
    split: bool = True,
    numbers: bool = True,
    escape: bool = True,
    interleave: bool = False,
    drop_prefix: bool = False,
    others: bool = True,
) -> bytes:
    """As PostgreSQL's syslog destination and rsyslog write it. Interleaved: two processes' chunks take turns."""
    written: list[list[bytes]] = []
    sequence: dict[int, int] = {}
    encode = rsyslog_escaped if escape else bytes
    for record in records_of(log):
        message = b"".join(part.text.removeprefix(part.prefix) if drop_prefix else part.text for part in record)
        number = sequence[record[0].pid] = sequence.get(record[0].pid, 0) + 1
        if split:
            bodies = chunks(message)
            marks = [f"[{number}-{n}] " if numbers else f"[{n}] " for n in range(1, len(bodies) + 1)]
        else:
            bodies = [message.rstrip(b"\n")]
            marks = [f"[{number}] " if numbers else ""]
        lines = [mark.encode() + encode(body) for mark, body in zip(marks, bodies, strict=True)]
        written.append([header(record[0]) + line + b"\n" for line in lines])
    if interleave:
        written = list(_interleaved(written))
    noise = [b"Nov 20 23:10:00 db1 CRON[99]: (root) CMD (true)\n"] if others else []
    return b"".join(noise) + b"".join(line for lines in written for line in lines)


def _interleaved(written: list[list[bytes]]) -> Iterable[list[bytes]]:
    for first, second in zip(written[::2], [*written[1::2], []], strict=False):
        if _process(first) == _process(second):
            yield from (first, second)
            continue
        merged: list[bytes] = []
        for position in range(max(len(first), len(second))):
            merged += first[position : position + 1] + second[position : position + 1]
        yield merged


def _process(lines: list[bytes]) -> bytes:
    return lines[0].partition(b"]")[0][-12:] if lines else b""


def _json_lines(entries: Iterable[object]) -> bytes:
    return b"".join(json.dumps(entry, ensure_ascii=False).encode() + b"\n" for entry in entries)


def journal_short(log: bytes) -> bytes:
    """`journalctl -u postgresql` of a server that writes to stderr: an entry per line, all by the postmaster."""
    lines = [b"-- Journal begins at Mon 2026-11-16 09:00:01 UTC. --\n"]
    for part in parts_of(log):
        stamp = f"{part.at:%b %d %H:%M:%S} db1 postgres[811]: ".encode()
        lines += [stamp + line for line in part.text.splitlines(keepends=True)]
    return b"".join(lines)


def journal_short_below(log: bytes) -> bytes:
    """`journalctl -o short-iso` of whole messages: what is below the first line is in line with it."""
    lines = []
    for record in records_of(log):
        stamp = f"{record[0].at:%Y-%m-%dT%H:%M:%S}+0000 db1 postgres[{record[0].pid}]: ".encode()
        first, *more = b"".join(part.text for part in record).splitlines(keepends=True)
        lines += [stamp + first, *(b" " * len(stamp) + line for line in more)]
    return b"".join(lines)


def _journal(log: bytes) -> list[dict[str, str]]:
    return [
        {
            "__CURSOR": "s=1;i=2",
            "__REALTIME_TIMESTAMP": str(int(record[0].at.timestamp() * 1_000_000)),
            "_HOSTNAME": "db1",
            "SYSLOG_IDENTIFIER": "postgres",
            "_PID": str(record[0].pid),
            "MESSAGE": b"".join(part.text for part in record).decode().removesuffix("\n"),
        }
        for record in records_of(log)
    ]


def journal_json(log: bytes) -> bytes:
    """Each third message as the list of its bytes, as journalctl writes what is no text."""
    entries: list[dict[str, object]] = []
    for number, entry in enumerate(_journal(log)):
        entries.append({**entry, "MESSAGE": list(entry["MESSAGE"].encode())} if number % 3 == 0 else {**entry})
    return _json_lines([*entries, {"__CURSOR": "s=1;i=3", "SYSLOG_IDENTIFIER": "cron", "MESSAGE": "LOG:  no"}])


def journal_export(log: bytes) -> bytes:
    out = []
    for entry in _journal(log):
        for name, value in entry.items():
            data = value.encode()
            binary = b"\n" in data or any(byte < 32 and byte != 9 for byte in data)
            size = len(data).to_bytes(8, "little")
            out.append(name.encode() + (b"\n" + size + data if binary else b"=" + data) + b"\n")
        out.append(b"\n")
    return b"".join(out)


def journal_json_broken(log: bytes, size: int = 100) -> bytes:
    """Lines of a server's stderr, longer ones broken as by journald's `LineMax=`."""
    entries: list[object] = []
    for part in parts_of(log):
        for line in part.text.decode().splitlines():
            pieces = [line[at : at + size] for at in range(0, len(line), size)] or [""]
            for number, piece in enumerate(pieces, 1):
                entry = {"__REALTIME_TIMESTAMP": "1", "SYSLOG_IDENTIFIER": "postgres", "_PID": "811", "MESSAGE": piece}
                entries.append(entry if number == len(pieces) else {**entry, "_LINE_BREAK": "line-max"})
    return _json_lines(entries)


def cri(log: bytes, size: int = 60) -> bytes:
    """A container's log; lines longer than `size` (16 KiB in the runtime) come in parts, with other streams between."""
    out = []
    stamp = b"2026-11-21T14:31:00.123456789Z "
    for line in log.splitlines():
        while len(line) > size:
            out += [stamp + b"stderr P " + line[:size] + b"\n", stamp + b"stdout P \n"]
            line = line[size:]
        out.append(stamp + b"stderr F " + line + b"\n")
    return b"".join(out)


def timestamps(log: bytes) -> bytes:
    """`kubectl logs --timestamps`."""
    return b"".join(b"2026-11-21T14:31:00.123456789Z " + line + b"\n" for line in log.splitlines())


def docker(log: bytes, size: int = 60) -> bytes:
    entries = []
    for line in log.decode().splitlines(keepends=True):
        pieces = [line[at : at + size] for at in range(0, len(line), size)]
        entries += [{"log": piece, "stream": "stderr", "time": "2026-11-21T14:31:00.123456789Z"} for piece in pieces]
    return _json_lines(entries)


def compose(log: bytes) -> bytes:
    """`docker compose logs`, with another service's lines between."""
    return b"".join(b"db-1   | " + line + b"\nweb-1  | GET / 200\n" for line in log.splitlines())


def kubectl_prefix(log: bytes) -> bytes:
    return b"".join(b"[pod/pg-0/postgres] " + line + b"\n" for line in log.splitlines())


def _events(log: bytes) -> list[dict[str, object]]:
    return [
        {
            "logStreamName": "shop.0",
            "timestamp": int(part.at.timestamp() * 1000),
            "message": part.text.decode().removesuffix("\n"),
            "ingestionTime": int(part.at.timestamp() * 1000) + 500,
        }
        for part in parts_of(log)
    ]


def cloudwatch(log: bytes) -> bytes:
    """`aws logs filter-log-events`."""
    document = {"events": _events(log), "searchedLogStreams": [{"logStreamName": "shop.0", "searchedCompletely": True}]}
    return json.dumps(document, indent=4).encode() + b"\n"


def cloudwatch_subscription(log: bytes) -> bytes:
    """What Firehose puts to S3: documents of some events each, one after the other."""
    events = [{"id": "1", "timestamp": event["timestamp"], "message": event["message"]} for event in _events(log)]
    head = {
        "messageType": "DATA_MESSAGE",
        "logGroup": "/aws/rds",
        "logStream": "shop.0",
        "subscriptionFilters": ["all"],
    }
    runs = [events[at : at + 3] for at in range(0, len(events), 3)]
    return "".join(json.dumps({**head, "logEvents": run}) for run in runs).encode()


def aws_logs_tail(log: bytes) -> bytes:
    return b"".join(f"{part.at:%Y-%m-%dT%H:%M:%S.%f}+00:00 shop.0 ".encode() + part.text for part in parts_of(log))


def s3_export(log: bytes) -> bytes:
    return b"".join(f"{part.at:%Y-%m-%dT%H:%M:%S.%f}"[:-3].encode() + b"Z " + part.text for part in parts_of(log))


def _log_entries(log: bytes, *, alloydb: bool = False, tabs: bool = True) -> list[dict[str, object]]:
    service = "alloydb" if alloydb else "cloudsql"
    entries: list[dict[str, object]] = []
    for number, part in enumerate(parts_of(log)):
        at = f"{part.at + timedelta(microseconds=number):%Y-%m-%dT%H:%M:%S.%f}Z"
        text = part.text.decode().removesuffix("\n")
        if alloydb:
            text = text.replace(":  ", ":  [postgres.c:1234]  ", 1)
        entries.append(
            {
                "textPayload": text if tabs else text.replace("\n\t", "\n"),
                "insertId": "s=1",
                "resource": {"type": "cloudsql_database", "labels": {"database_id": "p:shop"}},
                "timestamp": at,
                "severity": "INFO",
                "logName": f"projects/p/logs/{service}.googleapis.com%2Fpostgres.log",
                "receiveTimestamp": at,
            }
        )
    return entries


def cloudsql(log: bytes, *, tabs: bool = True) -> bytes:
    """`gcloud logging read --format=json`: newest first."""
    return json.dumps(_log_entries(log, tabs=tabs)[::-1], indent=2).encode() + b"\n"


def cloudsql_lines(log: bytes) -> bytes:
    """A sink's files, with another log of the project."""
    other = {"logName": "projects/p/logs/cloudaudit", "timestamp": "2026-11-21T00:00:00Z", "textPayload": "x LOG:  no"}
    return _json_lines([other, *_log_entries(log)])


def alloydb(log: bytes) -> bytes:
    return json.dumps(_log_entries(log, alloydb=True)).encode()


def _azure_records(log: bytes) -> list[dict[str, object]]:
    records: list[dict[str, object]] = []
    for first, *more in records_of(log):
        properties: dict[str, object] = {
            "timestamp": f"{first.at:%Y-%m-%d %H:%M:%S.%f}"[:-3] + " UTC",
            "processId": first.pid,
            "errorLevel": first.severity,
            "sqlerrcode": "00000",
            "message": first.text.decode().removesuffix("\n"),
        }
        for part in more:
            body = part.text[len(part.prefix) + len(part.severity) + 3 :]
            properties[part.severity.lower()] = body.decode().removesuffix("\n").replace("\n\t", "\n")
        records.append(
            {"time": f"{first.at:%Y-%m-%dT%H:%M:%S}Z", "category": "PostgreSQLLogs", "properties": properties}
        )
    return records


def azure(log: bytes) -> bytes:
    other = {"time": "2026-11-21T00:00:00Z", "category": "PostgreSQLFlexSessions", "properties": {"message": "x"}}
    return _json_lines([*_azure_records(log), other])


def azure_event_hub(log: bytes) -> bytes:
    return json.dumps({"records": _azure_records(log)}).encode()


def heroku(log: bytes, *, drain: bool = False) -> bytes:
    """Of a server's messages without their prefix, behind Heroku's ` sql_error_code = %e `."""
    lines = []
    for number, record in enumerate(records_of(log), 1):
        at = f"{record[0].at:%Y-%m-%dT%H:%M:%S.%f}+00:00"
        message = b"".join(b" sql_error_code = 00000 " + part.text.removeprefix(part.prefix) for part in record)
        for n, chunk in enumerate(chunks(message), 1):
            body = f"[NAVY] [{number}-{n}] ".encode() + chunk + b"\n"
            if drain:
                frame = f"<134>1 {at} host app postgres.{record[0].pid} - ".encode() + body
                lines.append(f"{len(frame)} ".encode() + frame)
            else:
                lines.append(f"{at} app[postgres.{record[0].pid}]: ".encode() + body)
    metric = b"2026-11-20T23:10:00+00:00 app[heroku-postgres]: source=DATABASE sample#tables=9\n"
    return b"".join(lines) if drain else metric + b"".join(lines)


_COLUMNS = {
    "user": "user_name",
    "dbname": "database_name",
    "pid": "process_id",
    "session_id": "session_id",
    "line_num": "session_line_num",
    "ps": "command_tag",
    "session_start": "session_start_time",
    "vxid": "virtual_transaction_id",
    "txid": "transaction_id",
    "error_severity": "error_severity",
    "state_code": "sql_state_code",
    "message": "message",
    "detail": "detail",
    "hint": "hint",
    "context": "context",
    "statement": "query",
    "cursor_position": "query_pos",
    "application_name": "application_name",
    "backend_type": "backend_type",
    "query_id": "query_id",
}


def columns_of(jsonlog: bytes) -> list[dict[str, object]]:
    """jsonlog's records by the names of csvlog's columns."""
    found = []
    for line in jsonlog.splitlines():
        entry = json.loads(line)
        columns = {column: entry[key] for key, column in _COLUMNS.items() if key in entry}
        if "remote_host" in entry:
            port = f":{entry['remote_port']}" if "remote_port" in entry else ""
            columns["connection_from"] = entry["remote_host"] + port
        found.append({"log_time": entry["timestamp"], **columns})
    return found


def cnpg(jsonlog: bytes) -> bytes:
    """CloudNativePG's pod: every column is a text, and the operator speaks too."""
    entries: list[object] = [{"level": "info", "ts": "2026-11-21T00:00:00Z", "logger": "instance-manager", "msg": "up"}]
    for columns in columns_of(jsonlog):
        record = {name: str(value) for name, value in columns.items()}
        entries.append({"level": "info", "ts": "x", "logger": "postgres", "msg": "record", "record": record})
    return _json_lines(entries)


def supabase(jsonlog: bytes) -> bytes:
    """Rows of the log explorer, newest first."""
    rows = []
    for columns in columns_of(jsonlog):
        at = str(columns.pop("log_time"))
        time = datetime.fromisoformat(at.removesuffix(" UTC")).replace(tzinfo=UTC)
        row = {"event_message": columns.pop("message"), "id": "1", "timestamp": int(time.timestamp() * 1_000_000)}
        rows.append(
            {
                **row,
                "metadata": [
                    {"host": "db-x", "parsed": [{**columns, "timestamp": at, "detail": columns.get("detail")}]}
                ],
            }
        )
    return json.dumps(rows[::-1], indent=2).encode()


def supabase_flat(jsonlog: bytes) -> bytes:
    rows = []
    for columns in columns_of(jsonlog):
        at = datetime.fromisoformat(str(columns.pop("log_time")).removesuffix(" UTC")).replace(tzinfo=UTC)
        rows.append({"event_message": columns.pop("message"), "timestamp": int(at.timestamp() * 1_000_000), **columns})
    return _json_lines(rows)
