"""Reads the logs of `tests.bench.logs` with this project, with pgBadger and with bare parsers, and prints the ratios.

python -m tests.bench.ingest FOLDER [--files small first shapes] [--formats log csv json]
    [--parts speed jobs cold memory] [--profile] [--repeat 2] [--head-megabytes 40] [--parsers-python PYTHON]

speed: MB and statements per CPU-second, all threads counted, each way in a process of its own, one after another; the
best of the repetitions. Machines differ, and so does one from minute to minute: compare the ratios of one run.
pgBadger reads only the file's first megabytes, as it takes minutes otherwise; its MB per CPU-second hardly vary.
jobs: wall time of two jobs against one. cold: the command on `small`, from nothing to JSON. memory: peaks over sizes.
PYTHON is an interpreter with pyarrow, polars, duckdb, orjson and msgspec; what is not installed there is left out.
"""

import argparse
import cProfile
import dataclasses
import json
import os
import pstats
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from advisor.model.options import Options
from tests.bench.logs import PREFIX
from tests.bench.memory import inputs
from tests.bench.parsers import PARSERS, THREADED, peak_mib

PGBADGER_FORMATS = {"log": "stderr", "csv": "csv", "json": "jsonlog"}

RECORD_START = {
    "log": re.compile(rb"\n(?=\d{4}-\d\d-\d\d [^\n]*? LOG:)"),
    "csv": re.compile(rb"\n(?=\d{4}-\d\d-\d\d )"),
}
"""Where a file may be cut; json anywhere between two lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one process spent on `size_bytes` of log. Counts are None where it does not count them."""

    size_bytes: int
    cpu_s: float
    wall_s: float
    peak_mib: float | None
    statements: int | None = None
    coverage: float | None = None
    rows: int | None = None

    @property
    def speed(self) -> float:
        """MB per CPU-second."""
        return self.size_bytes / 1e6 / self.cpu_s


def child_environment() -> dict[str, str]:
    """As a user has it: compiled modules are kept."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def answer(command: Sequence[str | Path]) -> dict[str, Any] | None:
    """The JSON object a child prints; None for its exit code 3."""
    ended = subprocess.run(command, stdout=subprocess.PIPE, check=False, env=child_environment())
    if ended.returncode == 3:
        return None
    ended.check_returncode()
    parsed: dict[str, Any] = json.loads(ended.stdout)
    return parsed


def ours(path: Path, jobs: int = 1) -> Run:
    """This project, in a process of its own."""
    found = answer([sys.executable, "-m", "tests.bench.ingest", "--one", path, "--jobs", str(jobs)])
    assert found is not None
    return Run(size_bytes=path.stat().st_size, **found)


def parser(python: str, name: str, path: Path, threads: int, *, whole: bool) -> Run | None:
    """A bare parser, in a process of its own; None where it is not installed."""
    script = Path(__file__).with_name("parsers.py")
    found = answer([python, script, name, path, str(threads), *(["all"] if whole else [])])
    if found is None:
        return None
    return Run(size_bytes=path.stat().st_size, **found)


def pgbadger(path: Path) -> Run | None:
    """pgBadger with its text report, where it is installed; its CPU time is its process's."""
    program = shutil.which("pgbadger")
    if program is None:
        return None
    suffix = path.suffix[1:]
    prefix = ["-p", PREFIX] if suffix == "log" else []
    command = [program, "-q", "-f", PGBADGER_FORMATS[suffix], *prefix, "-x", "text", "-o", "-"]
    # A folder for its PID file, lest it refuse to run beside another pgBadger.
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as report:
        start = time.perf_counter()
        process = subprocess.Popen([*command, "--pid-dir", folder, str(path)], stdout=report)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall_s = time.perf_counter() - start
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command)
        report.seek(0)
        counted = re.search(rb"Number of queries: ([\d,]+)", report.read())
    return Run(
        size_bytes=path.stat().st_size,
        cpu_s=used.ru_utime + used.ru_stime,
        wall_s=wall_s,
        peak_mib=used.ru_maxrss / 1024,
        statements=int(counted[1].replace(b",", b"")) if counted else None,
    )


def measure(path: Path, jobs: int) -> None:
    """Digests one file in this process and prints what it took; it alone loads the project's readers."""
    from advisor.workload.read import read_workload

    options = Options(**({"jobs": jobs} if jobs > 1 else {}))  # type: ignore[arg-type]
    cpu, wall = time.process_time(), time.perf_counter()
    coverage = read_workload([str(path)], options).coverage
    found = {
        "cpu_s": time.process_time() - cpu,
        "wall_s": time.perf_counter() - wall,
        "peak_mib": peak_mib(),
        "statements": coverage.statements,
        "coverage": coverage.bytes_classified / max(coverage.bytes_total, 1),
    }
    print(json.dumps(found))


def profile(path: Path) -> None:
    """Where our time goes."""
    from advisor.workload.read import read_workload

    profiler = cProfile.Profile()
    profiler.enable()
    read_workload([str(path)], Options())
    profiler.disable()
    pstats.Stats(profiler).sort_stats("tottime").print_stats(25)


def head(path: Path, folder: Path, megabytes: float) -> Path:
    """The first megabytes of a log, cut between two records; the log itself where it is no larger."""
    size_bytes = int(megabytes * 1e6)
    if path.stat().st_size <= size_bytes:
        return path
    with path.open("rb") as file:
        data = file.read(size_bytes)
    starts = RECORD_START.get(path.suffix[1:])
    last = [found.start() for found in starts.finditer(data, size_bytes - 1_000_000)][-1] if starts else None
    cut = folder / f"{path.stem}_head{path.suffix}"
    cut.write_bytes(data[: (data.rindex(b"\n") if last is None else last) + 1])
    return cut


def best(runs: Sequence[Run | None]) -> Run | None:
    """That of the least CPU time."""
    return min((run for run in runs if run is not None), key=lambda run: run.cpu_s, default=None)


def ways(path: Path, short: Path, python: str) -> Mapping[str, Callable[[], Run | None]]:
    """All that is to be run over one log, by name."""
    found: dict[str, Callable[[], Run | None]] = {"ours": lambda: ours(path), "pgBadger": lambda: pgbadger(short)}
    for name in PARSERS.get(path.suffix[1:], {}):
        for threads in (1, 2) if name in THREADED else (1,):
            for whole in (False, True) if name not in ("csv.reader", "orjson") else (True,):
                label = f"{name}, {'all' if whole else 'needed'} fields, {threads} threads"
                found[label] = lambda name=name, threads=threads, whole=whole: parser(  # type: ignore[misc]
                    python, name, path, threads, whole=whole
                )
    return found


def compare_speed(path: Path, folder: Path, python: str, repeat: int, head_megabytes: float) -> None:
    """One log's table and ratios."""
    short = head(path, folder, head_megabytes)
    runs: dict[str, list[Run | None]] = {}
    for _ in range(repeat):
        for name, way in ways(path, short, python).items():
            runs.setdefault(name, []).append(way())
    found = {name: run for name, each in runs.items() if (run := best(each)) is not None}
    mine, rival = found.pop("ours"), found.pop("pgBadger", None)
    print(f"\n{path.name}: {path.stat().st_size / 1e6:.0f} MB, {mine.statements} statements, {mine.coverage:.2%} read")
    row("ours", mine, (mine.statements or 0) / mine.size_bytes)
    if rival is not None:
        row(f"pgBadger, {rival.size_bytes / 1e6:.0f} MB", rival, (rival.statements or 0) / rival.size_bytes)
        megabytes, statements = mine.speed / rival.speed, per_second(mine) / per_second(rival)
        print(f"  ours / pgBadger: {megabytes:.1f} in MB, {statements:.1f} in statements per CPU-second")
    for name, run in sorted(found.items(), key=lambda item: -item[1].speed):
        row(name, run, (mine.statements or 0) / mine.size_bytes)
    counts = {run.rows for run in found.values()}
    if len(counts) > 1:
        print(f"  The parsers do not agree on the number of rows: {sorted(counts, key=str)}")
    for word in ("needed", "all") if found else ():
        name, fastest = max(((n, run) for n, run in found.items() if f", {word} " in n), key=lambda item: item[1].speed)
        print(f"  ours / fastest with {word} fields ({name}): {mine.speed / fastest.speed:.1%}")


def per_second(run: Run) -> float:
    """Statements per CPU-second."""
    return (run.statements or 0) / run.cpu_s


def row(name: str, run: Run, statements_per_byte: float) -> None:
    """One way's line."""
    peak = f"{run.peak_mib:5.0f} MiB" if run.peak_mib is not None else ""
    print(
        f"  {name:36} {run.speed:7.1f} MB and {run.speed * statements_per_byte * 1e6:9,.0f} statements per CPU-second,"
        f" {run.cpu_s:6.2f} s CPU, {run.wall_s:6.2f} s wall, {peak}"
    )


def compare_jobs(path: Path, repeat: int) -> None:
    """Two jobs against one, by wall time."""
    if "jobs" not in {field.name for field in dataclasses.fields(Options)}:
        print("jobs: there is no such option")
        return
    walls = [min(ours(path, jobs).wall_s for _ in range(repeat)) for jobs in (1, 2)]
    print(f"{path.name}: 1 job {walls[0]:.2f} s, 2 jobs {walls[1]:.2f} s wall: {walls[0] / walls[1]:.2f} x")


def cold_start(path: Path) -> None:
    """The command, from nothing to its JSON, twice: before the first, modules may have to be compiled."""
    for _ in range(2):
        start = time.perf_counter()
        command = [sys.executable, "-m", "advisor", "analyze", str(path), "--format", "json"]
        ended = subprocess.run(command, stdout=subprocess.PIPE, check=False, env=child_environment())
        json.loads(ended.stdout)
        size = path.stat().st_size / 1e6
        print(
            f"analyze {path.name}, {size:.0f} MB, to JSON: {time.perf_counter() - start:.2f} s, exit {ended.returncode}"
        )


def compare_memory(source: Path, folder: Path) -> None:
    """Peaks over sizes and hard texts; each file is made, read and removed."""
    for path in inputs(source, folder):
        run = ours(path)
        size = path.stat().st_size / 1e6
        print(
            f"{path.name}: {size:.0f} MB, {run.statements} statements, {run.peak_mib:.0f} MiB, {run.speed:.0f} MB/s CPU"
        )


def logs(arguments: argparse.Namespace) -> Iterator[Path]:
    """Those that are there, of the files and formats asked for."""
    for name in arguments.files:
        for suffix in arguments.formats:
            path = arguments.folder / f"{name}.{suffix}"
            if path.exists():
                yield path


def parsed_arguments() -> argparse.Namespace:
    """Of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--files", nargs="+", default=("small", "first", "shapes"))
    parser.add_argument("--formats", nargs="+", default=("log", "csv", "json"))
    parser.add_argument("--parts", nargs="+", default=("speed", "jobs", "cold", "memory"))
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--head-megabytes", type=float, default=40)
    parser.add_argument("--parsers-python", default=sys.executable)
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--jobs", type=int, default=1, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Runs the parts that are asked for."""
    arguments = parsed_arguments()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    if arguments.one:
        measure(arguments.one, arguments.jobs)
        return
    paths = list(logs(arguments))
    with tempfile.TemporaryDirectory(dir=arguments.folder) as temporary:
        for path in paths if "speed" in arguments.parts else ():
            compare_speed(path, Path(temporary), arguments.parsers_python, arguments.repeat, arguments.head_megabytes)
            if arguments.profile:
                profile(path)
        for path in paths if "jobs" in arguments.parts else ():
            compare_jobs(path, arguments.repeat)
        small = arguments.folder / "small.log"
        if "cold" in arguments.parts and small.exists():
            cold_start(small)
        if "memory" in arguments.parts and small.exists():
            compare_memory(small, Path(temporary))


if __name__ == "__main__":
    main()
