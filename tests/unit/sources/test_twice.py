"""The same events in two inputs are seen, whatever the formats and names; those of two servers never are."""

import bz2
import gzip
import itertools
import random
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import orjson
import pytest

from advisor.sources.sightings import kind_of_log, sightings
from advisor.sources.twice import Twice, same_events

DATA = Path(__file__).parent / "data"
START_US = 1_795_216_200_000_000
SECOND = 1_000_000


class Said(NamedTuple):
    """An event, as every format has it."""

    at_us: int
    pid: int
    message: str


def server(seed: int, count: int, start_us: int = START_US, every_us: int = 20_000) -> list[Said]:
    """The events of a server: the same application, other processes, times and durations with every seed."""
    noise = random.Random(seed)
    events, at_us = [], start_us
    for number in range(count):
        at_us += noise.randrange(2 * every_us // 1000) * 1000
        text = f"SELECT * FROM orders\n\tWHERE id = {number % 7} AND note = 'it''s \"é\" \\ {noise.random()}'"
        message = f"duration: {noise.randrange(1, 90)}.{noise.randrange(1000):03} ms  statement: {text}"
        if number % 10 == 0:
            message = 'relation "nope" does not exist'
        events.append(Said(at_us, noise.randrange(1000, 30_000), message))
    return events


def clock(at_us: int, *, milliseconds: bool = True) -> str:
    moment = datetime.fromtimestamp(at_us // SECOND, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return f"{moment}.{at_us % SECOND // 1000:03} UTC" if milliseconds else f"{moment} UTC"


def stderr(events: Iterable[Said], prefix: str = "%m [%p] app@shop ") -> bytes:
    lines = []
    for at_us, pid, message in events:
        head = prefix.replace("%m", clock(at_us)).replace("%t", clock(at_us, milliseconds=False))
        head = head.replace("%p", str(pid)).replace("%c", f"{at_us // SECOND:08x}.{pid:x}")
        head = head.replace("%n", f"{at_us // SECOND}.{at_us % SECOND // 1000:03}")
        body = message.replace("\n", "\n\t")
        severity = "ERROR" if message.startswith("relation") else "LOG"
        lines.append(f"{head}{severity}:  {body}\n")
        if severity == "ERROR":
            lines.append(f"{head}STATEMENT:  SELECT * FROM nope\n")
    return "".join(lines).encode()


def csv(events: Iterable[Said]) -> bytes:
    rows = []
    for number, (at_us, pid, message) in enumerate(events):
        severity = "ERROR,42P01" if message.startswith("relation") else "LOG,00000"
        quoted = message.replace('"', '""')
        rows.append(
            f'{clock(at_us)},"app","shop",{pid},"10.0.0.1:5432",6b00d347.{pid:x},{number},"SELECT",{clock(START_US)},'
            f'4/7,0,{severity},"{quoted}",,,,,,,,,"shop, web","client backend",,0\n'
        )
    return "".join(rows).encode()


def json(events: Iterable[Said]) -> bytes:
    return b"".join(
        orjson.dumps(
            {
                "timestamp": clock(at_us),
                "user": "app",
                "dbname": "shop",
                "pid": pid,
                "session_id": f"6b00d347.{pid:x}",
                "error_severity": "LOG",
                "message": message,
                "query_id": 5,
            }
        )
        + b"\n"
        for at_us, pid, message in events
    )


FORMATS: dict[str, Callable[[Sequence[Said]], bytes]] = {"stderr": stderr, "csv": csv, "json": json}


def written(folder: Path, name: str, data: bytes) -> str:
    (folder / name).write_bytes(data)
    return str(folder / name)


def only(names: Sequence[str]) -> Twice:
    found = same_events(names)
    (twice,) = found.twice
    assert len(found.warnings) == 1
    return twice


def by_name(names: Sequence[str]) -> dict[str, Twice]:
    return {each.name: each for each in same_events(names).twice}


def nothing(names: Sequence[str]) -> None:
    found = same_events(names)
    assert found.twice == ()
    assert found.warnings == ()


@pytest.mark.parametrize("sample", ["min0-18", "all-18", "explain_json-18"])
@pytest.mark.parametrize("named", [True, False])
def test_a_real_server_in_all_three_formats(tmp_path: Path, sample: str, named: bool) -> None:
    names = {}
    for number, suffix in enumerate(("log", "csv", "json")):
        name = f"{sample}.{suffix}" if named else f"{number}"
        names[suffix] = written(tmp_path, name, (DATA / f"{sample}.{suffix}").read_bytes())
    for order in itertools.permutations(names.values()):
        found = by_name(order)
        assert sorted(found) == sorted((names["log"], names["csv"]))
        assert all(each.whole for each in found.values())


def test_real_servers_are_told_apart() -> None:
    """One script ran on all of them, within two seconds."""
    names = [str(path) for path in sorted(DATA.glob("*-1*.*"))]
    assert len(names) == 11
    for each in same_events(names).twice:
        stem = Path(each.name).stem
        assert {Path(other).stem for other in each.by} == {stem}
    nothing(
        [str(DATA / f"{name}.log") for name in ("min0-15", "min0-18", "all-18", "explain_json-18", "explain_text-18")]
    )


@pytest.mark.parametrize(("poor", "rich"), [("stderr", "csv"), ("stderr", "json"), ("csv", "json")])
def test_long_logs_in_two_formats(tmp_path: Path, poor: str, rich: str) -> None:
    events = server(1, 3000)
    first, second = written(tmp_path, "one", FORMATS[poor](events)), written(tmp_path, "two", FORMATS[rich](events))
    for names in ((first, second), (second, first)):
        twice = only(names)
        assert (twice.name, twice.by, twice.whole) == (first, (second,), True)
        assert all(twice.covers(event.at_us) for event in events)


@pytest.mark.parametrize(
    "prefix",
    ["%t [%p]: [3-1] user=app,db=shop ", "%m ", "%c 1 %m ", "%n %p ", "%m:10.0.0.1(5432):app@shop:[%p]:", "%t "],
)
def test_other_prefixes(tmp_path: Path, prefix: str) -> None:
    events = server(2, 2000)
    names = [written(tmp_path, "a", stderr(events, prefix)), written(tmp_path, "b", csv(events))]
    twice = only(names)
    assert (twice.name, twice.whole) == (names[0], True)
    assert twice.covers(events[0].at_us // SECOND * SECOND if "%t" in prefix else events[0].at_us)


@pytest.mark.parametrize("prefix", ["%m [%p] ", "%t [%p] ", "%m ", "%t "])
@pytest.mark.parametrize("rich", ["stderr", "csv", "json"])
def test_two_servers_with_one_application(tmp_path: Path, prefix: str, rich: str) -> None:
    one, other = server(3, 2000), server(4, 2000)
    data = stderr(other, prefix) if rich == "stderr" else FORMATS[rich](other)
    nothing([written(tmp_path, "a.log", stderr(one, prefix)), written(tmp_path, f"b.{rich}", data)])


def test_servers_in_containers_say_the_same_at_the_same_time(tmp_path: Path) -> None:
    """Equal processes, and equal messages within milliseconds of each other."""
    one = [Said(START_US + number * SECOND, 27, f"statement: SELECT {number % 3}") for number in range(2000)]
    other = [event._replace(at_us=event.at_us + 3000) for event in one]
    nothing([written(tmp_path, "a", csv(one)), written(tmp_path, "b", json(other))])
    nothing([written(tmp_path, "c", stderr(one, "%m [%p] ")), written(tmp_path, "d", csv(other))])
    # Without process, to the second: that the same is said in the same second is no evidence.
    nothing([written(tmp_path, "e", stderr(one, "%t ")), written(tmp_path, "f", csv(one))])


def test_two_servers_in_step_have_other_processes(tmp_path: Path) -> None:
    one = [Said(START_US + number * SECOND, 100, f"statement: SELECT {number % 3}") for number in range(2000)]
    other = [event._replace(pid=200) for event in one]
    for rich in (csv, json):
        nothing([written(tmp_path, "a", csv(one)), written(tmp_path, "b", rich(other))])
    nothing([written(tmp_path, "c", stderr(one)), written(tmp_path, "d", stderr(other))])


def test_rotated_logs_of_one_server_follow_each_other(tmp_path: Path) -> None:
    events = server(5, 3000)
    for form in FORMATS.values():
        names = [written(tmp_path, f"{start}", form(events[start : start + 1000])) for start in (0, 1000, 2000)]
        nothing(names)


def test_the_csv_log_began_later_and_ended_earlier(tmp_path: Path) -> None:
    events = server(6, 4000)
    log = written(tmp_path, "a", stderr(events))
    rows = written(tmp_path, "b", csv(events[2500:3500]))
    twice = only([log, rows])
    assert (twice.name, twice.whole) == (log, False)
    assert twice.ranges == ((events[2500].at_us, events[3499].at_us),)
    assert [event for event in events if twice.covers(event.at_us)] == events[2500:3500]


def test_rotation_at_other_places(tmp_path: Path) -> None:
    """By size: the csv log is rotated more often."""
    events = server(7, 4000)
    logs = [written(tmp_path, f"a{start}", stderr(events[start : start + 2000])) for start in (0, 2000)]
    rows = [written(tmp_path, f"b{start}", csv(events[start : start + 700])) for start in range(0, 4000, 700)]
    found = by_name([*logs, *rows])
    assert sorted(found) == logs
    assert [found[log].whole for log in logs] == [True, True]
    left_out = {log: [event for event in events if found[log].covers(event.at_us)] for log in logs}
    assert left_out[logs[0]][:2000] == events[:2000]
    assert left_out[logs[1]][-2000:] == events[2000:]


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
def test_compressed_logs(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    events = server(8, 2000)
    plain, packed = written(tmp_path, "a", stderr(events)), written(tmp_path, "b", pack(json(events)))
    twice = only([plain, packed])
    assert (twice.name, twice.whole) == (plain, True)
    both = only([packed, written(tmp_path, "c", pack(stderr(events)))])
    assert (both.name, both.whole) == (str(tmp_path / "c"), True)
    shorter = only([plain, written(tmp_path, "d", pack(csv(events[:1200])))])
    assert shorter.ranges == ((events[0].at_us, events[1199].at_us),)


def test_compressed_logs_that_begin_at_other_times_cannot_be_known(tmp_path: Path) -> None:
    events = server(9, 3000)
    for names, warns in ((("pg.log.gz", "pg.csv.gz"), 1), (("a", "b"), 0)):
        log = written(tmp_path, names[0], gzip.compress(stderr(events)))
        rows = written(tmp_path, names[1], gzip.compress(csv(events[2500:])))
        found = same_events([log, rows])
        assert found.twice == ()
        assert len(found.warnings) == warns


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_a_copy_of_a_part(tmp_path: Path, form: str) -> None:
    events = server(10, 3000)
    whole = written(tmp_path, "whole", FORMATS[form](events))
    for part in (events[500:900], events[:1500], events[2900:], events[::10], events):
        copy = written(tmp_path, "part", FORMATS[form](part))
        twice = only([whole, copy])
        assert (twice.name, twice.whole) == (copy, True)


def test_copies_that_overlap(tmp_path: Path) -> None:
    events = server(11, 3000)
    first, second = written(tmp_path, "a", csv(events[:2000])), written(tmp_path, "b", csv(events[1000:]))
    twice = only([first, second])
    kept = {first: events[:2000], second: events[1000:]}
    left = [event for event in kept.pop(twice.name) if not twice.covers(event.at_us)]
    (other,) = kept.values()
    assert sorted(left + other) == sorted(events)


def test_a_log_of_two_servers_is_kept_beside_one_of_them(tmp_path: Path) -> None:
    one, other = server(12, 2000), server(13, 2000)
    both = written(tmp_path, "both.log", stderr(sorted(one + other)))
    rows = written(tmp_path, "one.csv", csv(one))
    twice = only([both, rows])
    assert (twice.name, twice.whole) == (rows, True)


def test_a_small_log(tmp_path: Path) -> None:
    events = server(14, 8)
    assert only([written(tmp_path, "a", stderr(events)), written(tmp_path, "b", csv(events))]).whole
    changed = [*events[:7], events[7]._replace(pid=5)]
    assert same_events([written(tmp_path, "c", stderr(changed)), str(tmp_path / "b")]).twice == ()


def test_a_stderr_log_that_ends_where_the_csv_log_begins(tmp_path: Path) -> None:
    events = server(15, 1000)
    ending = [Said(START_US, 5, "ending log output to stderr")]
    nothing([written(tmp_path, "pg.log", stderr(ending)), written(tmp_path, "pg.csv", csv([*ending, *events]))])


def test_a_prefix_without_a_time(tmp_path: Path) -> None:
    events = server(16, 1000)
    log, rows = stderr(events, "[%p] "), csv(events)
    nothing([written(tmp_path, "a", log), written(tmp_path, "b", rows)])
    found = same_events([written(tmp_path, "pg.log.1", log), written(tmp_path, "pg.csv.1", rows)])
    assert found.twice == ()
    assert len(found.warnings) == 1
    assert "both were counted" in found.warnings[0]


def test_what_is_no_log(tmp_path: Path) -> None:
    plan = written(tmp_path, "pg.json", b'[{"Plan": {"Node Type": "Seq Scan"}}]')
    text = written(tmp_path, "pg.csv", b"SELECT 1;\n" * 100)
    damaged = written(tmp_path, "pg.log.gz", b"\x1f\x8b\x08" + bytes(50))
    nothing([plan, text, damaged, "-", str(tmp_path / "missing"), str(tmp_path), written(tmp_path, "pg", b"")])


def test_one_huge_statement_does_not_hide_the_rest(tmp_path: Path) -> None:
    events = server(17, 1500)
    huge = events[700]._replace(message="duration: 1.000 ms  statement: SELECT '" + "x\n" * 2_000_000 + "'")
    events[700] = huge
    twice = only([written(tmp_path, "a", stderr(events)), written(tmp_path, "b", csv(events))])
    assert twice.whole


def test_lines_of_other_languages_are_parts_of_their_records(tmp_path: Path) -> None:
    events = server(18, 1000)
    log = stderr(events).decode().replace("STATEMENT:  ", "ИНСТРУКЦИЯ:  ").replace("LOG:  ", "СООБЩЕНИЕ:  ")
    for word in ("ОПЕРАТОР", "ANWEISUNG", "语句"):
        localised = log.replace("ИНСТРУКЦИЯ", word).encode()
        assert only([written(tmp_path, "a", localised), written(tmp_path, "b", csv(events))]).whole


def test_sightings_agree_over_the_formats() -> None:
    for sample in ("min0-18", "all-18"):
        seen = {}
        for suffix in ("log", "csv", "json"):
            data = (DATA / f"{sample}.{suffix}").read_bytes()
            kind = kind_of_log(data)
            assert kind == {"log": "stderr"}.get(suffix, suffix)
            seen[suffix] = list(sightings(kind, data))
        assert len(seen["json"]) >= 45
        assert seen["csv"] == seen["json"] == seen["log"]
