"""The planner twin against real servers.

    python -m tests.bench.twin prepare|agree|what_if|speed --corpus FOLDER --work FOLDER --server 14=FOLDER

`--corpus` holds tpc/*.sql, `--work` keeps rows (made by duckdb==0.9.2) and servers for the next run. A major version's
programs are those of `--server`, else embedded, installed or fetched ones; `--twin-server` gives the twin others.
"""

import argparse
import os
import tempfile
from pathlib import Path

from tests.bench.twin import speed, what_if
from tests.bench.twin.agree import HEAD, explanations, results, row
from tests.bench.twin.compare import explain
from tests.bench.twin.load import SUITES, prepare
from tests.bench.twin.material import queries
from tests.bench.twin.originals import Original, binaries_of, running


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.twin", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=("prepare", "agree", "what_if", "speed"))
    parser.add_argument("--corpus", type=Path, default=os.environ.get("ADVISOR_CORPUS"), help="holds tpc/*.sql")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "advisor-bench")
    parser.add_argument("--majors", type=int, nargs="+", default=[18, 15, 14, 16, 17])
    parser.add_argument("--server", action="append", default=[], metavar="MAJOR=FOLDER", help="holds bin/postgres")
    parser.add_argument("--twin-server", action="append", default=[], metavar="MAJOR=FOLDER", help="else the same")
    parser.add_argument("--only", default="", metavar="PATTERN", help="of the databases that `agree` compares")
    parser.add_argument("--values", choices=("live", "included", "default", "redacted"), default="live")
    given = parser.parse_args()
    if given.corpus is None and given.command in ("prepare", "agree"):
        parser.error("name the folder of the benchmarks' schemas and queries: --corpus FOLDER, or ADVISOR_CORPUS")
    given.server = _folders(given.server)
    given.twin_server = {**given.server, **_folders(given.twin_server)}
    return given


def _folders(entries: list[str]) -> dict[int, Path]:
    pairs = (entry.partition("=") for entry in entries)
    return {int(major): Path(folder) for major, _, folder in pairs}


def prepare_all(given: argparse.Namespace) -> None:
    """Makes the originals and says which queries plan on them."""
    for major in given.majors:
        with running(binaries_of(major, given.server), given.work) as original:
            prepare(original, given.corpus, given.work)
            print_unplannable(original, given.corpus)


def agree(given: argparse.Namespace) -> None:
    """The table of plans, and below each line what differs."""
    print(HEAD)
    for major in given.majors:
        with running(binaries_of(major, given.server), given.work) as original:
            twins = binaries_of(major, given.twin_server)
            for result in results(original, twins, given.corpus, given.work, given.only, given.values):
                print(row(result), flush=True)
                for line in explanations(result):
                    print(line, flush=True)


def compare_what_if(given: argparse.Namespace) -> None:
    """The table of candidate indexes, and below each line those that differ."""
    print(what_if.HEAD)
    for major in given.majors:
        with running(binaries_of(major, given.server), given.work) as original:
            for line in what_if.report(original.binaries.version, list(what_if.trials(original))):
                print(line, flush=True)


def measure(given: argparse.Namespace) -> None:
    """A line for each thing measured, on the first of the major versions."""
    with running(binaries_of(given.majors[0], given.server), given.work) as original:
        print(f"| on {original.binaries.version} | measured |\n|---|---|")
        for line in speed.measure(original):
            print(f"| {line} |", flush=True)


def print_unplannable(original: Original, corpus: Path) -> None:
    for suite in SUITES:
        with original.connect(suite) as connection:
            failed = {n: e for n, q in queries(corpus, suite).items() if (e := explain(connection, q)[1])}
        print(f"{original.binaries.version} {suite}: do not plan: {failed or 'none'}", flush=True)


def main() -> None:
    given = arguments()
    given.work.mkdir(parents=True, exist_ok=True)
    {"prepare": prepare_all, "agree": agree, "what_if": compare_what_if, "speed": measure}[given.command](given)


if __name__ == "__main__":
    main()
