"""Makes the logs that `tests.bench.ingest` reads: a real server writes each of its events as stderr, csv and json.

python -m tests.bench.logs FOLDER [--megabytes 500] [--files small first shapes]

`small` (100 MB) and `first` are pgbench's own scripts and those of `traffic`, with `incidents` beside them; `shapes` is
50,000 statement shapes with UUID literals. Megabytes are those of the stderr log; the two others get larger.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count, islice
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread

import psycopg

from advisor.sandbox.host import server_account
from advisor.sandbox.programs import binaries
from tests.bench import shapes, traffic
from tests.bench.incidents import make_incidents
from tests.database.live_server import PASSWORD, SCHEMAS, URL_PASSWORD, LiveServer, live_server

SEED = 20261121

PREFIX = "%m [%p] %q%u@%d/%a "

SETTINGS = {
    "autovacuum_naptime": "5s",
    "checkpoint_timeout": "30s",
    "compute_query_id": "on",
    "deadlock_timeout": "50ms",
    "fsync": "off",
    "full_page_writes": "off",
    "listen_addresses": "",
    "log_autovacuum_min_duration": "0",
    "log_checkpoints": "on",
    "log_connections": "on",
    "log_destination": "stderr,csvlog,jsonlog",
    "log_disconnections": "on",
    "log_file_mode": "0644",
    "log_filename": "postgresql.log",
    "log_line_prefix": PREFIX,
    "log_lock_waits": "on",
    "log_min_duration_statement": "0",
    "log_rotation_age": "0",
    "log_rotation_size": "0",
    "log_temp_files": "0",
    "logging_collector": "on",
    "max_wal_size": "256MB",
    "shared_buffers": "128MB",
    "synchronous_commit": "off",
    "timezone": "UTC",
}

SMALL_MEGABYTES = 100
ROUND_MEGABYTES = 65
SIDES = 2
"""Clients' processes at once: more only wait for the one logging collector."""

BUILT_IN = (("tpcb-like", "prepared"), ("simple-update", "extended"), ("select-only", "simple"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of pgbench, in a database, as a role and application."""

    arguments: Sequence[str]
    database: str
    role: str
    application: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Logging:
    """A running server and the stderr log that its collector writes."""

    server: LiveServer
    log: Path

    def megabytes(self) -> float:
        """Of the stderr log so far."""
        return self.log.stat().st_size / 1e6

    def connect(self, role: str, application: str) -> psycopg.Connection:
        """A session in the shop, in autocommit."""
        return psycopg.connect(self.server.url(role), autocommit=True, application_name=application)


@contextmanager
def logging_server(folder: Path, name: str) -> Iterator[Logging]:
    """An embedded server; its three logs are moved to `folder`/`name`.{log,csv,json} once it has stopped."""
    with TemporaryDirectory(prefix="logs", dir="/tmp") as logs:
        server_account().own(Path(logs))
        with live_server(binaries.embedded(), settings=SETTINGS | {"log_directory": logs}, filled=False) as server:
            yield Logging(server=server, log=Path(logs) / "postgresql.log")
        # The collector outlives the server for a moment.
        time.sleep(1)
        for path in Path(logs).iterdir():
            shutil.move(path, folder / f"{name}{path.suffix}")


def make_traffic(folder: Path, name: str, wanted: int) -> None:
    """Rounds of pgbench, with incidents beside them, until the log has its size."""
    with logging_server(folder, name) as logging:
        prepare(logging.server)
        stop = Event()
        beside = Thread(target=make_incidents, args=(logging.connect, SEED, stop))
        beside.start()
        try:
            for number in count():
                left = wanted - logging.megabytes()
                if left <= 0:
                    break
                play_round(logging.server, number, min(1.0, left / ROUND_MEGABYTES))
                print(f"{name}: {logging.megabytes():.0f} MB", flush=True)
        finally:
            stop.set()
            beside.join()


def prepare(server: LiveServer) -> None:
    """Two databases with their roles and rows: pgbench's own and the shop's."""
    with server.superuser("postgres") as session:
        for role in ("app", "api", "worker", "analyst"):
            session.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'".encode())
        session.execute(b"GRANT pg_read_all_data, pg_write_all_data TO app, api, worker, analyst")
        for database in ("bench", "shop"):
            session.execute(f"CREATE DATABASE {database}".encode())
    with server.superuser() as session:
        for text in ((SCHEMAS / "shop.sql").read_text(), traffic.ROWS, "VACUUM ANALYZE"):
            session.execute(text.encode())
    pgbench(server, Run(arguments=("-i", "-q", "-s", "1"), database="bench", role="postgres", application="pgbench"))
    with server.superuser("bench") as session:
        session.execute(b"GRANT ALL ON ALL TABLES IN SCHEMA public TO app, api, worker")
    write_scripts(server)


def write_scripts(server: LiveServer) -> None:
    """One file per unit of work."""
    for application in traffic.APPLICATIONS:
        for number, unit in enumerate(application.units):
            (server.folder / f"{application.name}{number}.sql").write_text(traffic.VARIABLES + unit)


def runs(server: LiveServer, number: int, share: float) -> Iterator[Run]:
    """A round's runs of pgbench; `share` of the usual number of units."""
    for application in traffic.APPLICATIONS:
        files = [
            word
            for position, weight in enumerate(application.units.values())
            for word in ("-f", f"{server.folder / application.name}{position}.sql@{weight}")
        ]
        how = ("-n", "-c", "6", "-t", str(int(application.count * share) + 1), "-M", application.protocol, *files)
        arguments = ("--random-seed", str(SEED + number), *how)
        yield Run(arguments=arguments, database="shop", role=application.role, application=application.name)
    for script, protocol in BUILT_IN:
        how = ("-n", "-c", "4", "-t", str(int(600 * share) + 1), "-M", protocol, "-b", script)
        arguments = ("--random-seed", str(SEED + number), *how)
        yield Run(arguments=arguments, database="bench", role="app", application="pgbench")
    churn = ("-n", "-C", "-c", "2", "-t", str(int(60 * share) + 1), "-b", "select-only")
    yield Run(arguments=churn, database="bench", role="worker", application="cron")


def play_round(server: LiveServer, number: int, share: float) -> None:
    """All runs of a round, some at once, each in its turn."""
    with server.superuser() as session:
        session.execute(traffic.TIDY.encode())
        session.execute(b"VACUUM ANALYZE")
    waiting = list(runs(server, number, share))
    sides = [Thread(target=_play, args=(server, waiting[side::SIDES])) for side in range(SIDES)]
    for side in sides:
        side.start()
    for side in sides:
        side.join()


def _play(server: LiveServer, mine: Sequence[Run]) -> None:
    for run in mine:
        pgbench(server, run)


def pgbench(server: LiveServer, run: Run) -> None:
    """Runs pgbench to its end; what it says against a script goes to stderr."""
    where = {"PGHOST": str(server.folder), "PGPASSWORD": PASSWORD, "PGAPPNAME": run.application, "PGUSER": run.role}
    command: list[str | Path] = [server.bin_folder / "pgbench", *run.arguments, run.database]
    ended = subprocess.run(
        command,
        env={"PATH": os.environ["PATH"], **where},
        capture_output=True,
        text=True,
        check=False,
        **server.account.spawn(),
    )
    if ended.returncode:
        print(run.application, ended.stderr[-2000:], file=sys.stderr)


def make_shapes(folder: Path, name: str, wanted: int) -> None:
    """Two clients that send the statements of `shapes`, until the log has its size."""
    with logging_server(folder, name) as logging:
        with logging.server.superuser("postgres") as session:
            for text in shapes.schema():
                session.execute(text.encode())
        url = f"postgresql://postgres:{URL_PASSWORD}@/postgres?host={logging.server.folder}&application_name=builder"
        context = get_context("spawn")
        stop = context.Event()
        clients = [context.Process(target=_send, args=(url, side, stop)) for side in range(SIDES)]
        for client in clients:
            client.start()
        while logging.megabytes() < wanted and all(client.is_alive() for client in clients):
            time.sleep(1)
        stop.set()
        for client in clients:
            client.join()


def _send(url: str, side: int, stop: Event) -> None:
    """One client: seven statements of eight by the simple protocol, the eighth by the extended one."""
    with psycopg.connect(url, autocommit=True) as session:
        sent = shapes.statements(SEED, side, SIDES)
        while not stop.is_set():
            for number, text in enumerate(islice(sent, 1000)):
                if number % 8:
                    session.pgconn.exec_(text.encode())
                else:
                    session.pgconn.exec_params(text.encode(), None)


def main() -> None:
    """Makes the files that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--megabytes", type=int, default=500)
    parser.add_argument(
        "--files", nargs="+", choices=("small", "first", "shapes"), default=("small", "first", "shapes")
    )
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for name in arguments.files:
        start = time.monotonic()
        make = make_shapes if name == "shapes" else make_traffic
        make(arguments.folder, name, SMALL_MEGABYTES if name == "small" else arguments.megabytes)
        sizes = ", ".join(
            f"{path.suffix} {path.stat().st_size / 1e6:.0f} MB" for path in sorted(arguments.folder.glob(f"{name}.*"))
        )
        print(f"{name}: {sizes} in {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
