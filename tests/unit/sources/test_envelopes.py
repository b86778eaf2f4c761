"""Wrapped logs are found, unwrapped to what the server wrote, and every byte is accounted for."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.sources.envelopes import Envelope, find_envelope, unwrap
from advisor.sources.tally import Tally
from tests.unit.sources import envelopes_writer as writer

DATA = Path(__file__).parent / "data"
STDERR = ("min0-18.log", "min0-15.log", "all-18.log", "explain_json-18.log", "explain_text-18.log")
PLAIN = (
    *STDERR,
    "min0-18.csv",
    "min0-18.json",
    "all-18.csv",
    "all-18.json",
    "explain_json-18.csv",
    "explain_json-18.json",
)
LONG = "2026-11-20 23:10:09.000 UTC [77] app@postgres/x LOG:  duration: 1.000 ms  statement: SELECT '"
LONG_LOG = (
    (
        LONG
        + "word " * 400
        + "x" * 2500
        + "'\n\n\tFROM\t\tt\n\t\n\tWHERE é = '"
        + "é" * 1500
        + "'\n2026-11-20 23:10:10.000 UTC [78] app@postgres/x LOG:  duration: 2.000 ms  statement: SELECT 1\n"
    )
    .replace("\n\n", "\n\t\n")
    .encode()
)

WRAPPERS: dict[str, Callable[[bytes], bytes]] = {
    "syslog": writer.syslog,
    "syslog tabs": lambda log: writer.syslog(log, escape=False),
    "syslog 5424": lambda log: writer.syslog(log, writer.syslog_5424),
    "syslog iso": lambda log: writer.syslog(log, writer.syslog_iso, others=False),
    "syslog without numbers": lambda log: writer.syslog(log, numbers=False),
    "syslog whole": lambda log: writer.syslog(log, split=False),
    "syslog whole without numbers": lambda log: writer.syslog(log, split=False, numbers=False),
    "syslog interleaved": lambda log: writer.syslog(log, interleave=True),
    "journald short": writer.journal_short,
    "journald short, messages below": writer.journal_short_below,
    "journald json": writer.journal_json,
    "journald json, lines broken": writer.journal_json_broken,
    "journald-export": writer.journal_export,
    "cri": writer.cri,
    "timestamps": writer.timestamps,
    "docker": writer.docker,
    "compose": writer.compose,
    "kubectl-prefix": writer.kubectl_prefix,
    "cloudwatch": writer.cloudwatch,
    "cloudwatch subscription": writer.cloudwatch_subscription,
    "aws-logs-tail": writer.aws_logs_tail,
    "timestamps of an export to S3": writer.s3_export,
    "cloudsql": writer.cloudsql,
    "cloudsql lines": writer.cloudsql_lines,
    "cloudsql of alloydb": writer.alloydb,
    "compose+timestamps": lambda log: writer.compose(writer.timestamps(log)),
    "docker+syslog": lambda log: writer.docker(writer.syslog(log)),
}


def unwrapped(outer: bytes, block_bytes: int = 1 << 16) -> tuple[Envelope, bytes, Tally]:
    """The inner log; checks that the account is exact."""
    envelope = find_envelope(outer[: 256 * 1024])
    assert envelope is not None
    tally = Tally()
    blocks = (outer[at : at + block_bytes] for at in range(0, len(outer), block_bytes))
    inner = b"".join(unwrap(envelope, blocks, tally))
    assert tally.bytes_total + len(inner) == len(outer)
    return envelope, inner, tally


@pytest.mark.parametrize("name", WRAPPERS)
@pytest.mark.parametrize("log", [*STDERR, "long"])
def test_a_wrapped_log_is_the_plain_one(name: str, log: str) -> None:
    plain = LONG_LOG if log == "long" else (DATA / log).read_bytes()
    envelope, inner, tally = unwrapped(WRAPPERS[name](plain))
    assert inner == plain
    assert envelope.name == re.split(r"[ ,]", name.replace("journald short", "syslog"))[0]
    assert envelope.inner == "stderr"
    assert envelope.prefix is None
    assert tally.bytes_unknown == 0


@pytest.mark.parametrize("name", ["azure", "azure_event_hub"])
@pytest.mark.parametrize("log", ["min0-18.log", "min0-15.log", "explain_text-18.log", "long"])
def test_azure_has_the_details_in_fields_of_their_own(name: str, log: str) -> None:
    plain = LONG_LOG if log == "long" else (DATA / log).read_bytes()
    envelope, inner, tally = unwrapped(getattr(writer, name)(plain))
    assert inner == plain
    assert (envelope.name, envelope.inner, envelope.prefix) == ("azure", "stderr", None)
    assert tally.bytes_unknown == 0


@pytest.mark.parametrize("drain", [False, True])
@pytest.mark.parametrize("log", ["min0-18.log", "all-18.log", "explain_text-18.log", "long"])
def test_heroku_gives_time_and_process(log: str, drain: bool) -> None:
    plain = LONG_LOG if log == "long" else (DATA / log).read_bytes()
    envelope, inner, _ = unwrapped(writer.heroku(plain, drain=drain))
    assert envelope.prefix == "%m [%p]  sql_error_code = %e "
    expected = b"".join(
        f"{part.at:%Y-%m-%d %H:%M:%S.%f}"[:-3].encode()
        + f" UTC [{part.pid}]  sql_error_code = 00000 ".encode()
        + part.text.removeprefix(part.prefix)
        for part in writer.parts_of(plain)
    )
    assert inner == expected


@pytest.mark.parametrize("escape", [False, True])
def test_syslog_without_a_prefix_has_its_time_and_process_from_the_header(escape: bool) -> None:
    plain = (DATA / "min0-18.log").read_bytes()
    envelope, inner, tally = unwrapped(writer.syslog(plain, drop_prefix=True, escape=escape))
    parts = writer.parts_of(plain)
    # The year is that of the dates in the messages.
    assert inner == b"".join(
        f"{part.at:%Y-%m-%d %H:%M:%S}.000 UTC [{part.pid}] ".encode() + part.text.removeprefix(part.prefix)
        for part in parts
    )
    assert envelope.layers[0].stamp == "pid"
    assert tally.warnings


@pytest.mark.parametrize("name", ["cnpg", "supabase", "supabase_flat"])
@pytest.mark.parametrize("log", ["min0-18.json", "all-18.json", "explain_json-18.json"])
def test_columns_become_jsonlog_again(name: str, log: str) -> None:
    plain = (DATA / log).read_bytes()
    envelope, inner, tally = unwrapped(getattr(writer, name)(plain))
    lost = {"func_name", "file_name", "file_line_num", "internal_query", "context"}
    wanted = [json.loads(line) for line in plain.splitlines()]
    assert [json.loads(line) for line in inner.splitlines()] == [
        {key: value for key, value in entry.items() if key not in lost and value != ""} for entry in wanted
    ]
    assert (envelope.name, envelope.inner) == (name.removesuffix("_flat"), "json")
    assert tally.bytes_unknown == 0


@pytest.mark.parametrize("log", ["min0-18.csv", "explain_json-18.csv", "min0-18.json"])
@pytest.mark.parametrize("name", ["cri", "timestamps", "docker", "compose", "kubectl_prefix"])
def test_containers_may_hold_csvlog_and_jsonlog(name: str, log: str) -> None:
    plain = (DATA / log).read_bytes()
    envelope, inner, _ = unwrapped(getattr(writer, name)(plain))
    assert inner == plain
    assert envelope.inner == log.rpartition(".")[2]


def test_containers_may_hold_cloudnativepg() -> None:
    jsonlog = (DATA / "min0-18.json").read_bytes()
    plain = unwrapped(writer.cnpg(jsonlog))[1]
    for wrap, name in ((writer.cri, "cri+cnpg"), (writer.docker, "docker+cnpg"), (writer.compose, "compose+cnpg")):
        envelope, inner, _ = unwrapped(wrap(writer.cnpg(jsonlog)))
        assert inner == plain
        assert (envelope.name, envelope.inner) == (name, "json")


def test_lines_without_their_tabs_get_them_back() -> None:
    plain = (DATA / "min0-18.log").read_bytes()
    assert unwrapped(writer.cloudsql(plain, tabs=False))[1] == plain


def lookalikes() -> Iterator[tuple[str, bytes]]:
    for log in PLAIN:
        yield log, (DATA / log).read_bytes()
    for name, wrap in WRAPPERS.items():
        wrapped = wrap((DATA / "min0-18.log").read_bytes()).decode("latin-1")
        statement = "INSERT INTO logs VALUES ('" + wrapped.replace("'", "''") + "')"
        tabbed = statement.replace("\n", "\n\t")
        head = "2026-11-20 23:10:09.000 UTC [77] app@postgres/x LOG:  duration: 1.000 ms  statement: "
        yield f"stderr: {name}", (head + tabbed + "\n" + head + "SELECT 1\n").encode()
        yield f"stderr without a prefix: {name}", f"LOG:  duration: 1.000 ms  statement: {tabbed}\n".encode()
        quoted = statement.replace('"', '""')
        yield (
            f"csv: {name}",
            f'2026-11-20 23:10:09.000 UTC,"a","b",1,,6b0.1,1,"",,,0,LOG,00000,"{quoted}"{"," * 12}\n'.encode(),
        )
        entry = {"timestamp": "2026-11-20 23:10:09.000 UTC", "pid": 1, "error_severity": "LOG", "message": statement}
        yield f"json: {name}", json.dumps(entry).encode() + b"\n"
        yield f"sql: {name}", f"{statement};\nSELECT 1;\n".encode()
    yield "plan", b"QUERY PLAN\n Seq Scan on t  (cost=0.00..1.00 rows=1 width=4)\n"
    yield "plan as json", b'[\n  {\n    "Plan": {\n      "Node Type": "Seq Scan", "message": "LOG:  x"\n    }\n  }\n]\n'
    yield "syslog of others", b"Nov 20 23:10:00 db1 app[9]: ERROR: x\n" * 20
    yield "psql's table", b" id | note\n----+------\n 1  | LOG:  x\n"
    yield "jsonl of an application", b'{"time":"2026-11-20T00:00:00Z","message":"ERROR:  no"}\n' * 9
    yield "nothing", b""
    yield "blanks", b"\n \n"


@pytest.mark.parametrize(
    ("name", "head"), list(lookalikes()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_plain_log_has_no_envelope(name: str, head: bytes) -> None:
    assert find_envelope(head) is None


# A tab where syslog cuts a long line looks like the tab that begins a line of its own.
STATEMENT = st.text(st.characters(codec="utf-8", exclude_characters="\t\n\r\x85\u2028\u2029\x0b\x0c\x1c\x1d\x1e\x00"))
SEVERITIES = st.sampled_from(
    ["LOG:  duration: 1.000 ms  statement: ", "ERROR:  ", "DETAIL:  Parameters: $1 = '", "STATEMENT:  "]
)
PART = st.tuples(st.integers(1, 3), SEVERITIES, st.lists(STATEMENT, min_size=1, max_size=4), st.integers(1, 400))


@st.composite
def logs(draw: st.DrawFn) -> bytes:
    """Records of three processes, of any text, some longer than syslog's limit."""
    lines = ["2026-11-20 23:10:00.000 UTC [1] a@b/c LOG:  duration: 1.000 ms  statement: SELECT 1\n"]
    for number, (pid, severity, text, times) in enumerate(draw(st.lists(PART, max_size=8))):
        body = "\n\t".join([text[0] * times, *text[1:]])
        if re.search(r"[A-Z\x80-\U0010ffff]{2,}[ \xa0]?:  |#[01][0-7]{2}", body):
            body = "SELECT 2"
        part = severity.startswith(("DETAIL", "STATEMENT"))
        owner = lines[-1].partition("]")[0].rpartition("[")[2] if part else str(pid)
        second = lines[-1][17:19] if part else f"{number:02d}"
        lines.append(f"2026-11-20 23:10:{second}.000 UTC [{owner}] a@b/c {severity}{body}\n")
    return "".join(lines).encode()


@settings(max_examples=60, deadline=None)
@given(log=logs(), name=st.sampled_from(sorted(WRAPPERS)), block_bytes=st.integers(1, 3000))
def test_any_log_comes_back(log: bytes, name: str, block_bytes: int) -> None:
    assert unwrapped(WRAPPERS[name](log), block_bytes)[1] == log


@settings(max_examples=150, deadline=None)
@given(data=st.data(), name=st.sampled_from([*sorted(WRAPPERS), "azure", "heroku"]))
def test_damage_never_raises_and_every_byte_is_accounted_for(data: st.DataObject, name: str) -> None:
    wrap = WRAPPERS.get(name) or getattr(writer, name)
    outer = bytearray(wrap((DATA / "min0-18.log").read_bytes()))
    envelope = find_envelope(bytes(outer))
    assert envelope is not None
    for _ in range(data.draw(st.integers(1, 12))):
        at = data.draw(st.integers(0, len(outer) - 1))
        size = data.draw(st.integers(0, 40))
        outer[at : at + size] = data.draw(
            st.binary(max_size=40) | st.sampled_from([b"{" * 2000, b'"', b"]}", b"\n", b"[9-2] "])
        )
    tally = Tally()
    inner = b"".join(unwrap(envelope, [bytes(outer)], tally))
    assert tally.bytes_total + len(inner) == len(outer)
    assert tally.bytes_total == tally.bytes_classified + tally.bytes_unknown
    find_envelope(bytes(outer))


def test_a_lost_chunk_is_not_joined_to_another_statement() -> None:
    lines = writer.syslog(LONG_LOG, others=False).splitlines(keepends=True)
    assert len(lines) > 5
    after = (DATA / "min0-18.log").read_bytes()
    lost = b"".join([*lines[:2], *lines[3:]])
    _, inner, tally = unwrapped(lost + writer.syslog(after) * 3)
    assert tally.bytes_unknown == sum(map(len, lines[3:-1]))
    first, second, rest = inner.split(b"\n", 2)
    assert LONG_LOG.startswith(first)
    assert LONG_LOG.endswith(second + b"\n")
    assert rest == after * 3


def test_lines_of_no_format_are_not_understood() -> None:
    outer = writer.cri((DATA / "min0-18.log").read_bytes())
    plain = unwrapped(outer)[1]
    _, inner, tally = unwrapped(outer + b"kubectl: lost connection\n")
    assert inner == plain
    assert tally.bytes_unknown == len(b"kubectl: lost connection\n")
    assert [found.sample for found in tally.unknown] == ["kubectl: lost connection"]


def test_a_year_ends_between_two_lines_of_syslog() -> None:
    lines = b"Dec 31 23:59:59 db1 postgres[7]: [1-1] LOG:  a\nJan  1 00:00:01 db1 postgres[7]: [2-1] LOG:  b\n"
    inner = unwrapped(lines)[1].splitlines()
    first, second = (int(line[:4]) for line in inner)
    assert second == first + 1
    assert inner[1].endswith(b"-01-01 00:00:01.000 UTC [7] LOG:  b")


def test_heroku_tells_more_on_newer_servers() -> None:
    body = (
        ' sql_error_code = 00000 time_ms = "2026-06-05 19:33:14.793 UTC" pid="1991397"'
        ' proc_start_time="2026-06-05 19:33:12 UTC" session_id="647e3878.1e62e5" vtid="2/0" tid="0" log_line="3"'
        ' database="db" connection_source="1.2.3.4(5)" user="u"'
        ' application_name="my app" LOG:  duration: 2.000 ms  statement: SELECT'
    )
    frame = "2026-06-05T19:33:14+00:00 app[postgres.9]: [BLUE] [12-{}] {}\n"
    envelope, inner, _ = unwrapped((frame.format(1, body) + frame.format(2, "\t1")).encode())
    assert inner.decode() == f"{body}\n\t1\n"
    assert envelope.prefix is not None
    assert envelope.prefix.startswith(' sql_error_code = %e %qtime_ms = "%m" pid="%p"')


def test_pgaudit_of_cloudnativepg_is_a_message_again() -> None:
    audit = {"audit_type": "SESSION", "statement_id": "1", "substatement_id": "1", "class": "READ", "command": "SELECT"}
    record = {"log_time": "2026-07-27 14:01:47.881 UTC", "process_id": "203", "error_severity": "LOG"}
    record["audit"] = {**audit, "statement": 'SELECT "a", 1', "parameter": "<none>"}  # type: ignore[assignment]
    line = json.dumps({"logger": "pgaudit", "msg": "record", "record": record}).encode() + b"\n"
    entry = json.loads(unwrapped(line)[1])
    assert entry["message"] == 'AUDIT: SESSION,1,1,READ,SELECT,,,"SELECT ""a"", 1",<none>'
    assert entry["pid"] == 203
