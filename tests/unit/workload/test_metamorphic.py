"""The sample logs told in other ways give the same digest."""

from collections.abc import Callable
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.model.workload import Workload
from tests.unit.sources import envelopes_writer as writer
from tests.unit.sources.recorder import DATA, FORMATS, PREFIXES
from tests.unit.workload.metamorphic import (
    Log,
    check_compressed,
    check_digests,
    check_fragments,
    check_records,
    clear_cuts,
    read,
    told,
)

SHOP = Path(__file__).parents[3] / "fixtures" / "logs" / "shop"
LEAST_BYTES = 3000
"""Of a piece that is a file: it has a record that tells what it is."""


def log_of(name: str) -> Log:
    run, _, suffix = name.partition(".")
    prefix = PREFIXES["min0" if run == "shop" else run.partition("-")[0]] if suffix == "log" else None
    path = SHOP / f"postgresql.{suffix}" if run == "shop" else DATA / name
    return Log(data=path.read_bytes(), format=FORMATS[suffix], prefix=prefix)


SAMPLES = [f"{run}.{suffix}" for run in ("min0-18", "all-18", "explain_json-18") for suffix in FORMATS]
SAMPLES += ["explain_text-18.log", "min0-15.log"]
SHOPS = [f"shop.{suffix}" for suffix in FORMATS]


@pytest.fixture(scope="module")
def expected() -> Callable[[str], Workload]:
    known: dict[str, Workload] = {}

    def of(name: str) -> Workload:
        if name not in known:
            with TemporaryDirectory() as folder:
                known[name] = told(read(Path(folder), log_of(name)))
        return known[name]

    return of


@pytest.mark.parametrize("run", ["min0-18", "shop"])
def test_stderr_csv_and_json_of_one_run_give_one_digest(run: str, tmp_path: Path) -> None:
    found = [told(read(tmp_path, log_of(f"{run}.{suffix}")), with_sessions=False) for suffix in FORMATS]
    assert found[0].repetitions
    assert found[1] == found[2]
    # The prefix has no SQLSTATE.
    assert found[0].queries == found[1].queries
    assert found[0].repetitions == found[1].repetitions
    assert found[0].coverage == found[1].coverage


def test_csv_and_json_of_one_run_with_plans_give_one_digest(tmp_path: Path) -> None:
    found = [told(read(tmp_path, log_of(f"explain_json-18.{suffix}"))) for suffix in ("csv", "json")]
    assert found[0].plans
    assert found[0] == found[1]


@pytest.mark.parametrize("name", ["min0-18.log", "explain_json-18.csv", "all-18.json", "shop.log"])
def test_compressions(name: str, tmp_path: Path) -> None:
    check_compressed(log_of(name), tmp_path)


@pytest.mark.parametrize("name", [*SAMPLES, *SHOPS])
@pytest.mark.parametrize("seed", [1, 2])
def test_files_cut_where_records_begin_in_any_order(name: str, seed: int, tmp_path: Path) -> None:
    log, rng = log_of(name), Random(seed)
    cuts = clear_cuts(log)
    check_records(log, tmp_path, rng.sample(cuts, min(5, len(cuts))), rng.shuffle)


@pytest.mark.parametrize("name", [*SAMPLES, "shop.csv"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_digests_of_pieces_in_any_order(name: str, seed: int) -> None:
    log, rng = log_of(name), Random(seed)
    cuts = clear_cuts(log)
    check_digests(log, rng.sample(cuts, min(6, len(cuts))), rng.shuffle)


def spaced(cuts: list[float], size: int) -> list[int]:
    found: list[int] = []
    for each in sorted(round(share * size) for share in cuts):
        if each - (found[-1] if found else 0) >= LEAST_BYTES and size - each >= LEAST_BYTES:
            found.append(each)
    return found


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(SAMPLES), cuts=st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_fragments_cut_at_any_byte(expected: Callable[[str], Workload], name: str, cuts: list[float]) -> None:
    log = log_of(name)
    with TemporaryDirectory() as folder:
        check_fragments(log, Path(folder), spaced(cuts, len(log.data)), expected(name))


@settings(max_examples=4, deadline=None)
@given(name=st.sampled_from(SHOPS), cuts=st.lists(st.floats(0, 1), min_size=1, max_size=4))
def test_fragments_of_a_longer_log(expected: Callable[[str], Workload], name: str, cuts: list[float]) -> None:
    log = log_of(name)
    with TemporaryDirectory() as folder:
        check_fragments(log, Path(folder), spaced(cuts, len(log.data)), expected(name))


WRAPPERS: dict[str, Callable[[bytes], bytes]] = {
    "syslog": writer.syslog,
    "syslog 5424": lambda log: writer.syslog(log, writer.syslog_5424),
    "syslog interleaved": lambda log: writer.syslog(log, interleave=True),
    "journald short": writer.journal_short,
    "journald json": writer.journal_json,
    "journald export": writer.journal_export,
    "cri": writer.cri,
    "docker": writer.docker,
    "compose": writer.compose,
    "kubectl prefix": writer.kubectl_prefix,
    "cloudwatch": writer.cloudwatch,
    "cloudwatch subscription": writer.cloudwatch_subscription,
    "aws logs tail": writer.aws_logs_tail,
    "s3 export": writer.s3_export,
    "cloudsql": writer.cloudsql,
    "cloudsql lines": writer.cloudsql_lines,
    "alloydb": writer.alloydb,
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("name", ["min0-18.log", "explain_json-18.log", "all-18.log"])
def test_wrapped_logs(expected: Callable[[str], Workload], wrapper: str, name: str, tmp_path: Path) -> None:
    log = log_of(name)
    wrapped = Log(data=WRAPPERS[wrapper](log.data), format=log.format, prefix=log.prefix)
    assert told(read(tmp_path, wrapped)) == expected(name)


@pytest.mark.parametrize("wrapper", [writer.azure, writer.azure_event_hub])
@pytest.mark.parametrize("name", ["min0-18.log", "explain_text-18.log"])
def test_azure(
    expected: Callable[[str], Workload], wrapper: Callable[[bytes], bytes], name: str, tmp_path: Path
) -> None:
    log = log_of(name)
    wrapped = Log(data=wrapper(log.data), format=log.format, prefix=log.prefix)
    assert told(read(tmp_path, wrapped)) == expected(name)


@pytest.mark.parametrize("wrapper", [writer.cnpg, writer.supabase, writer.supabase_flat])
@pytest.mark.parametrize("name", ["min0-18.json", "explain_json-18.json", "all-18.json"])
def test_wrapped_json(
    expected: Callable[[str], Workload], wrapper: Callable[[bytes], bytes], name: str, tmp_path: Path
) -> None:
    log = log_of(name)
    assert told(read(tmp_path, Log(data=wrapper(log.data), format="json"))) == expected(name)
