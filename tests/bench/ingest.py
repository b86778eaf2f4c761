"""Digests a made-up log as stderr, csv and json, each in a process of its own; prints MB per CPU-second, the peak of
memory, and the ratio to simple loops over the same file in the same process. Machines differ, and so does one from
minute to minute: compare the ratios.

python tests/bench/ingest.py [MEGABYTES] [--profile] [--keep FOLDER]
"""

import cProfile
import csv
import json
import pstats
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from advisor.model.options import Options
from advisor.model.workload import Workload
from advisor.workload.read import read_workload

SEED = 20261120

TABLES = ("orders", "order_items", "customers", "products", "carts", "payments", "shipments", "reviews")

PREPARED = tuple(
    f"SELECT t.id, t.created_at, t.status, t.total FROM {table} t WHERE t.{column} = $1 AND t.status = $2{tail}"
    for table in TABLES
    for column, tail in (("id", ""), ("customer_id", " ORDER BY t.created_at DESC LIMIT 20"))
) + tuple(f"UPDATE {table} SET status = $1, updated_at = now() WHERE id = $2 AND version = $3" for table in TABLES[:6])

LITERAL = tuple(
    f'SELECT "{table}"."id", "{table}"."name", "{table}"."price" FROM "{table}"'
    f' WHERE ("{table}"."customer_id" = {{number}} AND "{table}"."name" LIKE \'{{text}}%\') LIMIT 21'
    for table in TABLES
) + tuple(
    f"INSERT INTO {table} (customer_id, sku, quantity, note) VALUES ({{number}}, '{{text}}', 3, 'O''Hara') RETURNING id"
    for table in TABLES[:4]
)

LONG = "\n\t".join(
    (
        "SELECT o.id, c.name, count(*) AS lines, sum(i.price * i.quantity) AS total",
        "  FROM orders o",
        "  JOIN customers c ON c.id = o.customer_id",
        "  JOIN order_items i ON i.order_id = o.id",
        " WHERE o.created_at >= '2026-{month:02d}-01' AND c.region = '{text}'",
        " GROUP BY o.id, c.name",
        " ORDER BY total DESC",
        " LIMIT {number}",
    )
)


def records(rng: random.Random) -> Iterator[str]:
    """Endless records of 40 sessions: requests in or out of a transaction, some with an N+1; errors and noise."""
    now = 1795216200.0
    while True:
        now += rng.expovariate(60)
        pid = 4000 + rng.randrange(40)
        transaction = rng.random() < 0.5
        loop = rng.choice(PREPARED) if rng.random() < 0.1 else None
        if transaction:
            yield f"{head(now, pid)}LOG:  duration: 0.021 ms  statement: BEGIN\n"
        for _ in range(rng.randrange(1, 12)):
            now += rng.expovariate(2000)
            yield from statement(rng, head(now, pid))
        for _ in range(rng.randrange(5, 40) if loop else 0):
            now += rng.expovariate(2000)
            yield from prepared(rng, head(now, pid), loop or "", f"{rng.lognormvariate(0, 1.5):.3f}")
        if transaction:
            yield f"{head(now, pid)}LOG:  duration: 0.032 ms  statement: COMMIT\n"
        if rng.random() < 0.02:
            yield f"{head(now, 811)[:-13]}LOG:  checkpoint starting: time\n"


def head(now: float, pid: int) -> str:
    """A line's prefix."""
    seconds = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(now))
    return f"{seconds}.{int(now * 1000) % 1000:03d} UTC [{pid}] app@shop/web "


def statement(rng: random.Random, start: str) -> Iterator[str]:
    """One statement of a request, or an error."""
    kind, duration = rng.random(), f"{rng.lognormvariate(0, 1.5):.3f}"
    if kind < 0.55:
        yield from prepared(rng, start, rng.choice(PREPARED), duration)
    elif kind < 0.93:
        text = rng.choice(LITERAL).format(number=rng.randrange(10**6), text=f"{rng.getrandbits(40):x}")
        yield f"{start}LOG:  duration: {duration} ms  statement: {text}\n"
    elif kind < 0.99:
        text = LONG.format(month=rng.randrange(1, 13), text=f"r{rng.randrange(50)}", number=rng.randrange(1, 500))
        yield f"{start}LOG:  duration: {duration} ms  statement: {text}\n"
    else:
        yield f'{start}ERROR:  duplicate key value violates unique constraint "orders_pkey"\n'
        yield f"{start}DETAIL:  Key (id)=({rng.randrange(10**6)}) already exists.\n"
        yield f"{start}STATEMENT:  INSERT INTO orders (id) VALUES (1)\n"


def prepared(rng: random.Random, start: str, sql: str, duration: str) -> Iterator[str]:
    """Parse, bind and execute of one statement, with its parameters."""
    values = [str(rng.randrange(10**6)), "it''s paid", str(rng.randrange(9))][: sql.count("$")]
    bound = ", ".join(f"${position} = '{value}'" for position, value in enumerate(values, 1))
    if rng.random() < 0.3:
        yield f"{start}LOG:  duration: 0.031 ms  parse <unnamed>: {sql}\n"
        yield f"{start}LOG:  duration: 0.052 ms  bind <unnamed>: {sql}\n{start}DETAIL:  Parameters: {bound}\n"
    yield f"{start}LOG:  duration: {duration} ms  execute <unnamed>: {sql}\n"
    yield f"{start}DETAIL:  Parameters: {bound}\n"


def write_log(path: Path, megabytes: int) -> None:
    """Writes the same log each time."""
    rng = random.Random(SEED)
    left = megabytes * 1_000_000
    with path.open("w") as file:
        for record in records(rng):
            file.write(record)
            left -= len(record)
            if left <= 0:
                return


RECORD = re.compile(r"(\S+ \S+ \S+) \[(\d+)\] (?:(\w+)@(\w+)/(\w+) )?(\w+):  (.*)", re.DOTALL)


def converted(source: Path) -> Iterator[dict[str, str]]:
    """The records of the stderr log by the names of jsonlog's fields, DETAIL and STATEMENT with their record."""
    record: dict[str, str] = {}
    for text in re.split(r"\n(?!\t)", source.read_text()):
        found = RECORD.match(text.replace("\n\t", "\n"))
        if found is None:
            continue
        at, pid, user, database, application, severity, message = found.groups()
        if severity in ("DETAIL", "STATEMENT"):
            record[severity.lower()] = message
            continue
        if record:
            yield record
        record = {"timestamp": at, "user": user or "", "dbname": database or "", "pid": pid, "session_id": f"6a.{pid}"}
        record |= {"error_severity": severity, "message": message, "application_name": application or ""}
    yield record


COLUMNS = (
    *("timestamp", "user", "dbname", "pid", "", "session_id", "", "", "", "", "", "error_severity", "", "message"),
    *("detail", "", "", "", "", "statement", "", "", "application_name", "", "", ""),
)


def convert(source: Path, folder: Path) -> None:
    """The same log as csv and json."""
    with (folder / "postgresql.csv").open("w", newline="") as table, (folder / "postgresql.json").open("w") as lines:
        writer = csv.writer(table, lineterminator="\n")
        for record in converted(source):
            writer.writerow([record.get(column, "") for column in COLUMNS])
            lines.write(json.dumps({name: value for name, value in record.items() if value}) + "\n")


def cpu_seconds(work: Callable[[], object]) -> float:
    """Of this process."""
    before = time.process_time()
    work()
    return time.process_time() - before


def loop_over_lines(path: Path) -> int:
    """The least that a reader in Python must do."""
    count = 0
    with path.open(encoding="utf-8") as file:
        for _ in file:
            count += 1
    return count


def match_lines(path: Path) -> int:
    """What a simple reader does: one regular expression per line for the prefix and the duration."""
    line_head = re.compile(r'^.{0,80}?(\d{4}-\d\d-\d\d \S+) .*?"?(\w+)"?[:,].*?duration: (\d+\.\d+) ms')
    with path.open(encoding="utf-8") as file:
        return sum(1 for line in file if line_head.match(line))


def peak_mib() -> float:
    """Of this process alone: `ru_maxrss` would begin with what its parent had before the exec."""
    status = Path("/proc/self/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run_on(read: Callable[[Path], int], path: Path) -> float:
    """CPU seconds of one way to read the file."""
    return cpu_seconds(lambda: read(path))


def measure(path: Path) -> None:
    """Digests one file and prints its line."""
    workloads: list[Workload] = []
    profile = cProfile.Profile() if "--profile" in sys.argv else None
    if profile:
        profile.enable()
    spent = cpu_seconds(lambda: workloads.append(read_workload([str(path)], Options())))
    if profile:
        profile.disable()
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)
    peak = peak_mib()
    size, coverage = path.stat().st_size / 1e6, workloads[0].coverage
    loop, match = (min(run_on(read, path) for _ in range(2)) for read in (loop_over_lines, match_lines))
    print(
        f"{path.suffix[1:]:>4}: {size:.0f} MB, {coverage.statements} statements, {size / spent:.1f} MB per CPU-second,"
        f" peak {peak:.0f} MiB; {spent / loop:.1f} x a loop over the lines, {spent / match:.2f} x a regular expression"
        " per line"
    )


def measure_pgbadger(path: Path) -> None:
    """pgBadger on the same file, where it is installed."""
    program = shutil.which("pgbadger")
    if program is None:
        print("pgbadger is not installed")
        return
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    prefix = "%m [%p] %q%u@%d/%a "
    subprocess.run([program, "-q", "-p", prefix, "-o", "-", "-x", "text", path], stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"pgbadger: {path.stat().st_size / 1e6 / spent:.1f} MB per CPU-second")


def main() -> None:
    """Makes the logs and measures each in a process of its own."""
    if "--one" in sys.argv:
        measure(Path(sys.argv[sys.argv.index("--one") + 1]))
        return
    numbers = [int(word) for word in sys.argv[1:] if word.isdigit()]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(sys.argv[sys.argv.index("--keep") + 1]) if "--keep" in sys.argv else Path(temporary)
        path = folder / "postgresql.log"
        if not path.exists():
            write_log(path, numbers[0] if numbers else 100)
            convert(path, folder)
        for suffix in (".log", ".csv", ".json"):
            flags = ["--profile"] if "--profile" in sys.argv else []
            subprocess.run([sys.executable, __file__, "--one", path.with_suffix(suffix), *flags], check=True)
        measure_pgbadger(path)


if __name__ == "__main__":
    main()
