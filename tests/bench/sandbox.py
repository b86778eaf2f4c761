"""Seconds until a throwaway server is ready, cold (nothing cached) and warm: `python tests/bench/sandbox.py [RUNS]`."""

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from advisor.sandbox.open import open_sandbox


def timed(choice: str) -> tuple[float, float, float]:
    """Seconds to open, to make a database, and to close."""
    start = time.perf_counter()
    sandbox = open_sandbox(choice)
    opened = time.perf_counter()
    sandbox.create_database("bench")
    made = time.perf_counter()
    sandbox.close()
    return opened - start, made - opened, time.perf_counter() - made


def show(label: str, runs: list[tuple[float, float, float]]) -> None:
    ready, database, close = (statistics.median(column) for column in zip(*runs, strict=True))
    worst = max(run[0] for run in runs)
    print(f"{label}: ready {ready:.3f} s (worst {worst:.3f}), database {database:.3f} s, closed {close:.3f} s")


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    cold, warm = [], []
    for _ in range(runs):
        with tempfile.TemporaryDirectory(dir="/tmp") as cache:
            Path(cache).chmod(0o755)
            os.environ["XDG_CACHE_HOME"] = cache
            cold.append(timed("embedded"))
            warm.append(timed("embedded"))
    show("cold", cold)
    show("warm", warm)


if __name__ == "__main__":
    main()
