"""Reading inputs: good, bad and damaged."""

import bz2
import gzip
import lzma
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import lz4.frame
import pytest

from advisor.errors import AdvisorError, EmptyInput, InputError, UnknownFormat, UnknownPrefix
from advisor.model.options import Options
from advisor.workload.digest import Digest
from advisor.workload.read import read_workload

DATA = Path(__file__).parents[1] / "sources" / "data"
LOG = (DATA / "min0-18.log").read_bytes()
AS_WRITTEN = Options(prefix="%m [%p] %q%u@%d/%a ")
"""The log has one application in it, so that its prefix cannot be inferred."""


def given_file(folder: Path, content: bytes, name: str = "input") -> str:
    path = folder / name
    path.write_bytes(content)
    return str(path)


@pytest.mark.parametrize(
    ("content", "error", "says"),
    [
        (b"", EmptyInput, "empty"),
        (b" \n\n", EmptyInput, "empty"),
        (bytes(range(256)) * 40, InputError, "binary"),
        ("SELECT 1".encode("utf-16"), InputError, "UTF-16"),
        (b"BZh91AY&SY", InputError, "is damaged"),
        (b"\x28\xb5\x2f\xfd....", InputError, "is damaged"),
        (b"\x1f\x8b\x08\x00garbage", InputError, "is damaged"),
        (b"Dear diary, today I met a database.\n", UnknownFormat, "Dear diary"),
        (
            b"odd prefix here >>> LOG:  duration: 1.000 ms  statement: SELECT 1\nother LOG:  x\n",
            UnknownPrefix,
            "--prefix",
        ),
    ],
)
def test_bad_input_is_an_error_that_says_what_to_do(
    tmp_path: Path, content: bytes, error: type[AdvisorError], says: str
) -> None:
    with pytest.raises(error) as caught:
        read_workload([given_file(tmp_path, content)], Options())
    assert says in str(caught.value)


def test_a_missing_file_is_an_error() -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_workload(["/nowhere/postgresql.log"], Options())


@pytest.mark.parametrize(
    ("kind", "pack"),
    [
        ("gzip", gzip.compress),
        ("bzip2", bz2.compress),
        ("xz", lzma.compress),
        ("lz4", lambda data: bytes(lz4.frame.compress(data))),
    ],
)
def test_what_is_compressed_is_read_as_if_plain(tmp_path: Path, kind: str, pack: Callable[[bytes], bytes]) -> None:
    plain = read_workload([str(DATA / "min0-18.log")], AS_WRITTEN)
    both = LOG[:3000], LOG[3000:]
    packed = read_workload([given_file(tmp_path, b"".join(map(pack, both)), "log")], AS_WRITTEN)
    assert packed.queries == plain.queries
    assert packed.repetitions == plain.repetitions
    assert packed.inputs[0].compression == kind
    assert packed.warnings == ()


@pytest.mark.parametrize("share", [0.4, 0.8, 0.99])
def test_a_truncated_gzip_gives_what_is_there_and_a_warning(tmp_path: Path, share: float) -> None:
    packed = gzip.compress(LOG)
    workload = read_workload([given_file(tmp_path, packed[: round(share * len(packed))])], AS_WRITTEN)
    assert workload.queries
    assert any("truncated" in warning for warning in workload.warnings)
    assert 0 < workload.coverage.bytes_total < len(LOG)


def test_a_damaged_gzip_gives_what_is_there_and_a_warning(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(LOG * 20, 0))
    packed[-3000:-2900] = bytes(100)
    packed[30_000:] = packed[30_000:][::-1]
    workload = read_workload([given_file(tmp_path, bytes(packed))], AS_WRITTEN)
    assert workload.queries
    assert any("gzip data is" in warning for warning in workload.warnings)


def test_a_folder_is_every_file_in_it(tmp_path: Path) -> None:
    given_file(tmp_path, LOG.replace(b"2026-11-20", b"2026-11-21"), "b.log")
    given_file(tmp_path, LOG, "a.log")
    given_file(tmp_path, b"", "c.log")
    workload = read_workload([str(tmp_path)], AS_WRITTEN)
    assert [Path(each.name).name for each in workload.inputs] == ["a.log", "b.log"]
    assert any("c.log is empty" in warning for warning in workload.warnings)


def test_a_log_without_durations_says_which_settings_to_turn_on(tmp_path: Path) -> None:
    log = b"2026-11-20 23:09:59.815 UTC [1] LOG:  statement: SELECT 1\n" * 3
    (warning,) = read_workload([given_file(tmp_path, log)], Options()).warnings
    assert "log_min_duration_statement" in warning
    quiet = b"2026-11-20 23:09:59.815 UTC [1] LOG:  checkpoint starting: time\n" * 3
    (warning,) = read_workload([given_file(tmp_path, quiet)], Options()).warnings
    assert "no statements" in warning


def test_sampling_is_pointed_out(tmp_path: Path) -> None:
    line = b'2026-11-20 23:09:58.000 UTC [1] LOG:  parameter "log_min_duration_statement" changed to "250"\n'
    warnings = read_workload([given_file(tmp_path, line + LOG)], AS_WRITTEN).warnings
    assert any("fast statements are missing" in warning for warning in warnings)


def test_a_given_prefix_overrides(tmp_path: Path) -> None:
    log = b"odd here LOG:  duration: 1.000 ms  statement: SELECT 1\n"
    workload = read_workload([given_file(tmp_path, log)], Options(prefix="odd here "))
    assert workload.queries[0].calls == 1


def test_a_localised_log_is_read(tmp_path: Path) -> None:
    log = "2026-11-20 23:09:59.815 UTC [1] LOG:  Dauer: 0.100 ms  Anweisung: SELECT a FROM t\n"
    (query,) = read_workload([given_file(tmp_path, log.encode())], Options(prefix="%m [%p] ")).queries
    assert (query.calls, query.total_us, query.tables) == (1, 100, ("t",))


def test_since_and_until_leave_out(tmp_path: Path) -> None:
    everything = read_workload([str(DATA / "min0-18.log")], AS_WRITTEN)
    assert everything.to_us is not None
    late = read_workload([str(DATA / "min0-18.log")], replace(AS_WRITTEN, since_us=everything.to_us))
    assert 0 < late.coverage.statements < everything.coverage.statements
    early = read_workload([str(DATA / "min0-18.log")], replace(AS_WRITTEN, until_us=everything.to_us - 1))
    assert early.coverage.statements + late.coverage.statements == everything.coverage.statements


def test_a_sql_file_has_weights_and_counts_what_does_not_parse(tmp_path: Path) -> None:
    text = b"-- calls: 250\nSELECT * FROM t WHERE a = 1;\nSELEC nonsense;\n\n\\timing on\nSELECT b FROM t;\n"
    workload = read_workload([given_file(tmp_path, text, "queries.sql")], Options())
    assert {query.sql: query.calls for query in workload.queries} == {
        "SELECT * FROM t WHERE a = $1": 250,
        "SELECT b FROM t": 1,
    }
    assert workload.coverage.statements_unparsed == 1
    assert workload.inputs[0].format == "sql"


def test_a_plan_file_is_a_plan(tmp_path: Path) -> None:
    text = b"Seq Scan on t  (cost=0.00..1.00 rows=1 width=4) (actual time=0.001..0.002 rows=7 loops=1)\n"
    workload = read_workload([given_file(tmp_path, text)], Options())
    assert workload.inputs[0].format == "explain"
    assert [plan.query_id for plan in workload.plans] == [None]
    assert workload.warnings == ()


def test_progress_ends_at_the_total(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    read_workload([given_file(tmp_path, LOG * 400)], AS_WRITTEN, lambda done, total: seen.append((done, total)))
    assert len(seen) > 2
    assert seen[-1] == (len(LOG) * 400, len(LOG) * 400)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_after_an_interruption_the_digest_has_what_was_understood(tmp_path: Path) -> None:
    digest = Digest()

    def interrupt(done: int, total: int) -> None:
        if done > 1_500_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read_workload([given_file(tmp_path, LOG * 600)], AS_WRITTEN, interrupt, digest)
    workload = digest.freeze()
    assert workload.queries
    assert 0 < workload.coverage.bytes_total < len(LOG) * 600


@pytest.mark.parametrize(("fraction", "warned"), [("", True), (".250", False)])
def test_times_of_whole_seconds_are_pointed_out(tmp_path: Path, fraction: str, warned: bool) -> None:
    lines = [
        f"2026-11-20 23:09:{number:02d}{fraction} UTC [1] LOG:  duration: 0.000 ms  statement: SELECT {number}\n"
        for number in range(30)
    ]
    warnings = read_workload([given_file(tmp_path, "".join(lines).encode())], Options()).warnings
    assert any("pauses under 2 s" in warning for warning in warnings) == warned
