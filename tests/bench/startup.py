"""Start-up: `advisor --help` beside an interpreter that does nothing, run in turns.

python tests/bench/startup.py [RUNS]
"""

import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "advisor --help": [sys.executable, "-m", "advisor", "--help"],
}


def main(runs: int) -> None:
    """Prints the median and the least milliseconds of each, and their ratio."""
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(runs):
        for name, command in COMMANDS.items():
            begun = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            times[name].append((time.perf_counter() - begun) * 1000)
    for name, measured in times.items():
        print(f"{name}: median {statistics.median(measured):.0f} ms, least {min(measured):.0f} ms, {runs} runs")
    nothing, ours = (statistics.median(measured) for measured in times.values())
    print(f"ratio of the medians: {ours / nothing:.1f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
