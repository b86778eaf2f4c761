"""Digests as files: what is written is what is read, from whatever pieces it came, and nothing hostile passes."""

import contextlib
import gzip
import hashlib
import itertools
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.errors import InputError, UsageError
from advisor.model.digest_file import DigestFile
from advisor.model.options import Options
from advisor.model.workload import Workload
from advisor.workload import digest_file
from advisor.workload.digest import Digest
from advisor.workload.digest_file import pack, unpack
from advisor.workload.keep import digest_of, merge_of
from advisor.workload.read import read_digest, read_workload

ROOT = Path(__file__).parents[3]
DATA = ROOT / "tests" / "unit" / "sources" / "data"
SHOP = ROOT / "fixtures" / "logs" / "shop"
LOGS = [DATA / "all-18.log", DATA / "min0-18.csv", DATA / "explain_json-18.json"]
LOGS += [SHOP / f"postgresql.{form}" for form in ("log", "csv", "json")]
QUIET = Options(min_coverage=0.0)


def written(path: Path, found: DigestFile | bytes) -> str:
    path.write_bytes(found if isinstance(found, bytes) else found.data)
    return str(path)


def content(data: bytes) -> Mapping[str, Any]:
    """All that is in a file but the names of what was read."""
    digest = Digest()
    unpack(data, digest, "file")
    state = digest.state()
    return {name: value for name, value in state.items() if name not in ("inputs", "marks")}


def shown(workload: Workload) -> Workload:
    """Without the names of inputs."""
    plans = tuple(replace(plan, source="") for plan in workload.plans)
    return replace(workload, inputs=(), plans=plans, warnings=())


@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.name)
def test_what_is_read_from_the_file_is_what_was_read_from_the_log(tmp_path: Path, path: Path) -> None:
    kept = digest_of([str(path)], QUIET)
    log = read_workload([str(path)], QUIET)
    again = read_workload([written(tmp_path / "kept", kept)], QUIET)
    assert log.queries
    assert shown(again) == shown(log) == shown(kept.workload)
    assert [(each.format, each.bytes) for each in again.inputs] == [("digest", log.inputs[0].bytes)]


@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.name)
def test_the_same_content_gives_the_same_bytes(path: Path) -> None:
    first = pack(read_digest([str(path)], QUIET), now_s=0)
    second = Digest()
    unpack(first.head + first.body, second, "file")
    assert pack(second, now_s=0).body == first.body
    third = pack(read_digest([str(path)], QUIET), now_s=0)
    assert third.head + third.body == first.head + first.body


def test_the_first_line_tells_what_is_inside() -> None:
    kept = digest_of([str(SHOP / "postgresql.csv")], QUIET)
    head = msgspec.json.decode(kept.data.partition(b"\n")[0])
    assert head["format"] == "pg-query-advisor digest"
    assert head["statements"] == kept.workload.coverage.statements
    assert head["queries"] == len(kept.workload.queries)
    assert head["from"][:10] == "2026-11-20"
    assert head["redacted"] is False


def test_plans_and_sql_files_are_kept(tmp_path: Path) -> None:
    plan = b"Seq Scan on t  (cost=0.00..1.00 rows=1 width=4) (actual time=0.001..0.002 rows=7 loops=1)\n"
    (tmp_path / "plan.txt").write_bytes(plan)
    (tmp_path / "queries.sql").write_bytes(b"-- calls: 250\nSELECT * FROM t WHERE a = 1;\n")
    kept = digest_of([str(tmp_path)], QUIET)
    again = read_workload([written(tmp_path / "kept", kept)], QUIET)
    assert [each.plan.root.node_type for each in again.plans] == ["Seq Scan"]
    assert [(query.calls, query.samples[0].sql) for query in again.queries] == [(250, "SELECT * FROM t WHERE a = 1")]


# Pieces


def boundaries(data: bytes) -> list[int]:
    """Where records of the shop's csv begin: at lines with a time."""
    return [place + 1 for place in range(len(data) - 5) if data[place : place + 6] == b"\n2026-"]


CSV = (SHOP / "postgresql.csv").read_bytes()
STARTS = boundaries(CSV)


@settings(max_examples=4, deadline=None)
@given(cuts=st.sets(st.sampled_from(STARTS), min_size=1, max_size=3), dice=st.randoms(use_true_random=False))
def test_pieces_add_up_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, cuts: set[int], dice: random.Random
) -> None:
    folder = tmp_path_factory.mktemp("pieces")
    edges = [0, *sorted(cuts), len(CSV)]
    files = []
    for number, (start, end) in enumerate(itertools.pairwise(edges)):
        piece = written(folder / f"{number}.csv", CSV[start:end])
        files.append(written(folder / f"{number}.digest", digest_of([piece], QUIET)))
    in_order = merge_of(files)
    dice.shuffle(files)
    shuffled = merge_of(files)
    assert content(shuffled.data) == content(in_order.data)
    assert shuffled.data.partition(b"\n")[2] == in_order.data.partition(b"\n")[2]
    whole = read_workload([str(SHOP / "postgresql.csv")], QUIET)
    assert shown(shuffled.workload) == shown(whole)
    nested = merge_of([written(folder / "rest", merge_of(files[1:])), files[0]])
    assert shown(nested.workload) == shown(whole)


GROWING = [("log", "postgresql.log"), ("csv", "postgresql.csv"), ("json", "postgresql.json")]


@pytest.mark.parametrize(("form", "name"), GROWING)
@pytest.mark.parametrize("seed", range(3))
def test_a_log_that_grows_is_rotated_and_compressed(tmp_path: Path, form: str, name: str, seed: int) -> None:
    data = (SHOP / name).read_bytes()
    dice = random.Random(seed)
    cuts = sorted(dice.sample(range(20_000, len(data)), 4))
    log, old, kept = tmp_path / f"pg.{form}", tmp_path / f"pg.{form}.1", tmp_path / "kept"

    def run() -> DigestFile:
        found = digest_of([str(path) for path in sorted(tmp_path.glob("pg.*"))], QUIET, into=str(kept))
        written(kept, found)
        return found

    log.write_bytes(data[: cuts[0]])
    assert run().known_bytes == {}
    log.write_bytes(data[: cuts[1]])
    assert run().known_bytes == {str(log): cuts[0]}
    assert run().added == ()
    # Rotated: the old file had grown before, and the new one has begun.
    log.rename(old)
    rotated = data.rfind(b"\n2026-" if form != "json" else b"\n{", 0, cuts[2]) + 1
    old.write_bytes(data[:rotated])
    log.write_bytes(data[rotated : cuts[3]])
    assert [Path(each.name).name for each in run().added] == [old.name, log.name]
    packed = tmp_path / f"pg.{form}.2.gz"
    packed.write_bytes(gzip.compress(data[:rotated]))
    old.unlink()
    log.write_bytes(data[rotated:])
    last = run()
    assert last.known_bytes[str(packed)] == rotated
    assert [(Path(each.name), each.bytes) for each in last.added] == [(log, len(data) - cuts[3])]
    once = digest_of([str(packed), str(log)], QUIET)
    assert content(last.data) == content(once.data)
    assert shown(last.workload) == shown(read_workload([str(SHOP / name)], QUIET))


def test_a_part_too_short_to_be_recognised_is_like_what_was_before(tmp_path: Path) -> None:
    data = (SHOP / "postgresql.log").read_bytes()
    log, kept = tmp_path / "postgresql.log", tmp_path / "kept"
    log.write_bytes(data)
    first = digest_of([str(log)], QUIET, into=str(kept))
    written(kept, first)
    # Rotated out of sight: the new one has one line, from which no prefix can be inferred.
    log.write_bytes(data.splitlines(keepends=True)[-1])
    found = digest_of([str(log)], QUIET, into=str(kept))
    assert found.workload.coverage.bytes_classified == found.workload.coverage.bytes_total
    assert found.added[0].detected_prefix == first.added[0].detected_prefix
    assert found.workload.coverage.statements == first.workload.coverage.statements


def test_a_log_beside_its_digest_counts_once(tmp_path: Path) -> None:
    log = tmp_path / "pg.csv"
    log.write_bytes(CSV[: STARTS[500]])
    kept = written(tmp_path / "kept", digest_of([str(log)], QUIET))
    log.write_bytes(CSV)
    workload = read_workload([str(log), kept], QUIET)
    assert shown(workload) == shown(read_workload([str(log)], QUIET))
    assert any("count once" in warning for warning in workload.warnings)


def test_two_digests_of_one_log_are_warned_about(tmp_path: Path) -> None:
    one = written(tmp_path / "one", digest_of([str(SHOP / "postgresql.csv")], QUIET))
    two = written(tmp_path / "two", digest_of([str(SHOP / "postgresql.csv")], QUIET))
    assert any("count twice" in note for note in merge_of([one, two]).notes)


# What FILE may be


def test_a_file_that_is_no_digest_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not to be lost")
    for fresh in (False, True):
        with pytest.raises(UsageError, match="is not a digest"):
            digest_of([str(SHOP / "postgresql.csv")], QUIET, into=str(path), fresh=fresh)


def test_a_digest_of_other_logs_is_refused_unless_that_is_said(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    first = digest_of([str(DATA / "min0-18.csv")], QUIET)
    written(kept, first)
    other = str(SHOP / "postgresql.csv")
    with pytest.raises(UsageError, match="other logs"):
        digest_of([other], QUIET, into=str(kept))
    fresh = digest_of([other], QUIET, into=str(kept), fresh=True)
    assert fresh.workload.coverage.statements == 1552
    both = digest_of([str(kept), other], QUIET, into=str(kept))
    assert both.workload.coverage.statements == 1552 + first.workload.coverage.statements


def test_a_log_of_the_next_day_is_added(tmp_path: Path) -> None:
    kept, logs = tmp_path / "kept", [tmp_path / f"postgresql-2026-11-{day}.csv" for day in (20, 21)]
    half = STARTS[len(STARTS) // 2]
    logs[0].write_bytes(CSV[:half])
    logs[1].write_bytes(CSV[half:])
    written(kept, digest_of([str(logs[0])], QUIET, into=str(kept)))
    found = digest_of([str(logs[1])], QUIET, into=str(kept))
    assert shown(found.workload) == shown(read_workload([str(SHOP / "postgresql.csv")], QUIET))


# Literals

SECRET = "hunter2"
MANY = "4111111111111111"
STATEMENTS = [
    f"SELECT 1 FROM t WHERE a = '{SECRET}' AND b = {MANY} /*route='/orders',token='{SECRET}',action='x{MANY}'*/",
    f"CREATE USER u PASSWORD '{SECRET}'",
    f"SET application_name = '{SECRET}'",
    f"COPY t FROM '/tmp/{SECRET}'",
    f"DO $$ BEGIN PERFORM '{SECRET}'; END $$",
    f"CALL f({MANY}, '{SECRET}')",
    f"SELEC '{SECRET}'",
    *[f"SELECT c FROM t WHERE a = '{SECRET}{number}'" for number in range(3)],
]


def stderr_log() -> bytes:
    lines = []
    for number, sql in enumerate(STATEMENTS * 2):
        at = f"2026-11-20 23:09:{number:02d}.815 UTC [77] app@shop"
        lines.append(f"{at} LOG:  duration: 1.250 ms  statement: {sql}\n")
        lines.append(f"{at} LOG:  duration: 2.5 ms  execute s: SELECT $1\n{at} DETAIL:  Parameters: $1 = '{SECRET}'\n")
        lines.append(f"{at} ERROR:  wrong thing {SECRET}\n{at} STATEMENT:  {sql}\n")
        lines.append(
            f"{at} LOG:  duration: 3.000 ms  plan:\n\tQuery Text: SELECT d FROM t WHERE a = '{SECRET}'\n"
            f"\tSeq Scan on t  (cost=0.00..1.00 rows=1 width=4)\n\t  Filter: (a = '{SECRET}'::text)\n"
        )
    return f"torn {SECRET} line\n".encode() + "".join(lines).encode()


def csv_log() -> bytes:
    rows = []
    for number, sql in enumerate(STATEMENTS * 2):
        for message in (f"duration: 1.250 ms  statement: {sql}", f"wrong thing {SECRET}"):
            severity = "LOG" if message.startswith("duration") else "ERROR"
            quoted = message.replace('"', '""')
            statement = f'"{sql}"' if severity == "ERROR" else ""
            rows.append(
                f'2026-11-20 23:09:{number:02d}.815 UTC,"app","shop",77,"[local]",5f.4d,{number},"idle",'
                f'2026-11-20 23:09:00 UTC,1/2,0,{severity},00000,"{quoted}",,,,,,{statement},,,'
                '"psql","client backend",,0\n'
            )
    return "".join(rows).encode()


def json_log() -> bytes:
    lines = []
    for number, sql in enumerate(STATEMENTS * 2):
        record = {"timestamp": f"2026-11-20 23:09:{number:02d}.815 UTC", "user": "app", "dbname": "shop", "pid": 77}
        record |= {"session_id": "5f.4d", "error_severity": "LOG", "message": f"duration: 1.250 ms  statement: {sql}"}
        lines.append(msgspec.json.encode(record) + b"\n")
        failed = record | {"error_severity": "ERROR", "message": f"wrong thing {SECRET}", "statement": sql}
        lines.append(msgspec.json.encode(failed) + b"\n")
    return b"".join(lines)


def stream_of(data: bytes) -> bytes:
    """The decompressed body."""
    head, _, body = data.partition(b"\n")
    size: int = msgspec.json.decode(head)["body"]["bytes"]
    return b"".join(digest_file._decompressed(body, size, "file"))


@pytest.mark.parametrize(
    ("name", "made"), [("log", stderr_log), ("csv", csv_log), ("json", json_log)], ids=["log", "csv", "json"]
)
def test_a_redacted_digest_has_no_literals(tmp_path: Path, name: str, made: Callable[[], bytes]) -> None:
    log = tmp_path / f"pg.{name}"
    log.write_bytes(made() + b"2026-11-20 23:10 torn " + SECRET.encode())
    options = Options(min_coverage=0.0, prefix="%m [%p] %u@%d " if name == "log" else None)
    plain = digest_of([str(log)], options)
    assert SECRET.encode() in stream_of(plain.data)
    assert MANY.encode() in stream_of(plain.data)
    kept = digest_of([str(log)], options, redact=True)
    for text in (SECRET, MANY):
        assert text.encode() not in stream_of(kept.data)
        assert text.encode() not in kept.data.partition(b"\n")[0]
    assert b"/orders" in stream_of(kept.data)
    assert [query.calls for query in kept.workload.queries] == [query.calls for query in plain.workload.queries]
    merged = merge_of([written(tmp_path / "plain", plain)], redact=True)
    assert SECRET.encode() not in stream_of(merged.data)


def test_what_is_redacted_stays_so(tmp_path: Path) -> None:
    log, kept = tmp_path / "pg.csv", tmp_path / "kept"
    # The last line is not finished.
    log.write_bytes(CSV[: STARTS[500] + 20])
    written(kept, digest_of([str(log)], QUIET, into=str(kept), redact=True))
    log.write_bytes(CSV)
    found = digest_of([str(log)], QUIET, into=str(kept))
    assert found.redacted
    assert not any(query.samples for query in found.workload.queries)
    whole = read_workload([str(log)], QUIET)
    assert {query.id: query.calls for query in found.workload.queries} == {q.id: q.calls for q in whole.queries}
    assert found.workload.coverage.bytes_total == len(CSV)


# Hostile files

KEPT = digest_of([str(DATA / "min0-18.csv")], QUIET).data
BODY = stream_of(KEPT)


def forged(stream: bytes, **head: Any) -> bytes:
    """A file whose first line fits the stream, but for what is given."""
    line = msgspec.json.decode(KEPT.partition(b"\n")[0])
    body: bytes = digest_file._zstd().compress(stream)
    line["body"] |= {"bytes": len(stream), "sha256": hashlib.sha256(body).hexdigest()} | head.pop("body", {})
    return msgspec.json.encode(line | head) + b"\n" + body


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (KEPT[:-1], "cut off or changed"),
        (KEPT[:400], "cannot be read"),
        (KEPT[:-9] + b"x" + KEPT[-8:], "cut off or changed"),
        (forged(BODY, version=2), "newer advisor"),
        (forged(BODY, body={"bytes": 1 << 40}), "too large"),
        (forged(BODY, body={"bytes": -1}), "too large"),
        (forged(BODY + bytes(1 << 26), body={"bytes": 1000}), "does not have the 1,000 bytes"),
        (forged(b"\xff\xff\xff\xff" + BODY), "a value is too large"),
        (forged(BODY[:-1]), "ends within a value"),
        (forged(BODY + BODY), "is damaged"),
        (forged(b""), "is damaged"),
        (forged(BODY, body={"queries": 0}), "is damaged"),
        (forged(BODY, body={"queries": 10**9}), "is damaged"),
    ],
)
def test_damaged_and_forged_files_are_errors(tmp_path: Path, data: bytes, says: str) -> None:
    with pytest.raises(InputError, match=says):
        read_workload([written(tmp_path / "forged", data)], QUIET)


@settings(max_examples=300, deadline=None)
@given(place=st.integers(0, len(BODY) - 1), byte=st.integers(0, 255), length=st.integers(1, 4))
def test_no_forged_content_is_more_than_an_error(place: int, byte: int, length: int) -> None:
    digest = Digest()
    data = forged(BODY[:place] + bytes([byte]) * length + BODY[place + length :])
    with contextlib.suppress(InputError):
        unpack(data, digest, "file")
        # What passes is a digest.
        assert len(digest.state()["queries"]) == len(content(KEPT)["queries"])


def test_a_held_step_of_another_name_is_refused() -> None:
    digest = Digest()
    unpack(KEPT, digest, "file")
    state = digest.state()
    session = state["runs"][0][4][0]
    session[2] = [["__init__", []]]
    values = [msgspec.msgpack.encode(query) for query in state["queries"]]
    values.append(msgspec.msgpack.encode(state | {"queries": []}))
    stream = b"".join(len(value).to_bytes(4, "little") + value for value in values)
    with pytest.raises(InputError, match="no step of a session"):
        unpack(forged(stream, body={"queries": len(values) - 1}), Digest(), "file")
