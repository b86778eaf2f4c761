"""Mutated records in great number: no crash, no hang, every byte accounted for, memory flat.

    python -m tests.bench.fuzz --records 1000000 [--seed N] [--log FILE]... [--keep FOLDER]

What a chunk came to depends on `--seed` and its number alone; a chunk with a problem is written to the `--keep` folder.
"""

import argparse
import collections
import statistics
import sys
import tempfile
import time
from pathlib import Path
from random import Random

import psutil

from tests.unit.sources.fuzzing import COMPRESSIONS, Outcome, Seed, chunk_of, read_as_file, read_known, seeds

CHUNK_RECORDS = 400
AS_FILE_SHARE = 0.2
"""Of the chunks: read as files of which nothing is known, half of them compressed and most of those damaged."""

GUARD_S = 120
"""Of a chunk, which takes a tenth of a second."""

WARM = 0.2
"""Of the records: what the process has taken by then must be enough."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--records", type=int, default=1_000_000, help="mutated ones")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log", type=Path, action="append", default=[], help="another log, by its first bytes")
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    sys.exit(1 if _run(options.records, options.seed, seeds(options.log), options.keep) else 0)


def _run(wanted: int, first: int, logs: list[Seed], keep: Path | None) -> int:
    problems: collections.Counter[str] = collections.Counter()
    speeds: list[tuple[float, float, str, int]] = []
    records = fed = refused = number = warm_bytes = 0
    cleans = {log.name: _clean_s(log) for log in logs}
    began, process = time.monotonic(), psutil.Process()
    with tempfile.TemporaryDirectory() as folder:
        while records < wanted:
            rng = Random(f"{first}/{number}")
            log = rng.choice(logs)
            data, mutations = chunk_of(rng, log, CHUNK_RECORDS)
            outcome = _read(rng, log, data, Path(folder) / "log")
            for problem in outcome.problems:
                problems[problem] += 1
                print(f"chunk {number}, {log.name}: {problem}", flush=True)
                if keep is not None:
                    (keep / f"{first}-{number}-{log.name}").write_bytes(data)
            records, fed, number = records + mutations, fed + len(data), number + 1
            refused += outcome.refused
            per_mb = outcome.seconds / len(data) * 1e6
            speeds.append((per_mb / cleans[log.name], per_mb, log.name, len(data)))
            if not warm_bytes and records > wanted * WARM:
                warm_bytes = process.memory_info().rss
    ratio, per_mb, name, size = max(speeds)
    hangs = sum(count for problem, count in problems.items() if problem.startswith("Hang"))
    unaccounted = sum(count for problem, count in problems.items() if problem.startswith("bytes"))
    mib = 1 << 20
    print(
        f"records mutated      {records:,} in {number:,} chunks of {len(logs)} logs, {fed / 1e6:,.0f} MB; seed {first}"
    )
    print(f"seconds              {time.monotonic() - began:,.0f}")
    print(f"crashes              {sum(problems.values()) - hangs - unaccounted}")
    print(f"hangs                {hangs}")
    print(f"chunks with bytes unaccounted for  {unaccounted}")
    print(f"refused as no log    {refused}")
    print(f"slowest chunk        {per_mb:.1f} s/MB, {ratio:.1f} times its clean log ({name}, {size:,} bytes)")
    print(f"median               {statistics.median(each[0] for each in speeds):.1f} times the clean log")
    end_bytes = process.memory_info().rss
    print(f"memory               {warm_bytes / mib:.0f} MiB after {WARM:.0%}, {end_bytes / mib:.0f} MiB at the end")
    return sum(problems.values())


def _read(rng: Random, log: Seed, data: bytes, path: Path) -> Outcome:
    if rng.random() < AS_FILE_SHARE:
        compression = rng.choice((*(None,) * len(COMPRESSIONS), *COMPRESSIONS))
        return read_as_file(data, path, GUARD_S, compression=compression, rng=rng)
    return read_known(rng, log, data, GUARD_S)


def _clean_s(log: Seed) -> float:
    """Seconds per MB of a chunk without mutations, read alike."""
    data = b"".join(log.records[number % len(log.records)] for number in range(CHUNK_RECORDS))
    return min(read_known(Random(3), log, data, GUARD_S).seconds for _ in range(3)) / len(data) * 1e6


if __name__ == "__main__":
    main()
