"""A real server to point the command at: the shop with some traffic behind it, logging every statement it gets."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

from advisor.sandbox.cluster import usable_binaries
from advisor.sandbox.host import Account, cache_folder, server_account
from advisor.sandbox.programs.binaries import Binaries
from advisor.sandbox.register import new_lease

PASSWORD = "n0t-to-be-$een!"
"""Of every login; `URL_PASSWORD` is how it stands in a URL."""
URL_PASSWORD = "n0t-to-be-%24een%21"

SCHEMAS = Path(__file__).parents[2] / "fixtures" / "schemas"

ROWS = """
INSERT INTO customers (id, email, full_name, phone, country, created_at)
SELECT n, 'customer' || n || '@example.com', 'Customer ' || n, '+49 30 ' || n, 'DE',
       '2024-01-01'::timestamptz + n * interval '1 hour'
FROM generate_series(1, 5000) n;
INSERT INTO orders (id, customer_id, status, currency, total, created_at)
SELECT n, 1 + n * 7919 % 5000, CASE WHEN n % 50 = 0 THEN 'refunded' ELSE 'delivered' END::order_status,
       CASE WHEN n % 10 = 0 THEN 'PLN' ELSE 'EUR' END, n % 400, '2024-01-01'::timestamp + n * interval '10 minutes'
FROM generate_series(1, 100000) n;
INSERT INTO payments (order_id, provider, provider_reference, amount, created_at)
SELECT n, 'bank', 'pay_' || md5(n::text), n % 400, '2024-01-01'::timestamptz + n * interval '10 minutes'
FROM generate_series(1, 100000) n;
INSERT INTO shipments (order_id, tracking_number, status)
SELECT 1 + n % 100000, 'TRK' || n * 7919 % 99999989, CASE WHEN n % 100 = 0 THEN 'ready' ELSE 'delivered' END
FROM generate_series(1, 150000) n;
SELECT setval(pg_get_serial_sequence('orders', 'id'), 100000);
"""

PARTITIONS = """
CREATE TABLE visits (id bigint, at timestamptz NOT NULL, visitor bigint NOT NULL, PRIMARY KEY (id, at))
    PARTITION BY RANGE (at);
CREATE TABLE visits_2025 PARTITION OF visits FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE visits_2026 PARTITION OF visits FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
INSERT INTO visits SELECT n, '2025-01-01'::timestamptz + n * interval '10 minutes', 1 + n * 7919 % 9000
FROM generate_series(1, 100000) n;
"""

TRAFFIC: Sequence[tuple[str, Sequence[object]]] = (
    ("SELECT id, order_id, status, amount FROM payments WHERE provider_reference = $1", ("pay_0",)),
    ("SELECT id, total FROM orders WHERE customer_id = $1 ORDER BY created_at DESC LIMIT $2", (77, 20)),
    ("UPDATE shipments SET status = 'lost', delivered_at = now() - interval '1 h' WHERE tracking_number = $1", ("no",)),
    ("SELECT id, at FROM visits WHERE visitor = $1", (4321,)),
    ("SELECT id, email FROM customers WHERE id = ANY($1)", ([1, 2, 3],)),
    ("SELECT id, email FROM customers WHERE email = $1", ("customer7@example.com",)),
    ("SELECT count(*) FROM orders WHERE date_trunc('month', created_at) = '2025-03-01'", ()),
    ("SELECT id FROM orders WHERE created_at >= $1 AND created_at < $2", ("2025-01-01", "2025-01-02")),
    ("SELECT avg(total) FROM orders WHERE currency = $1", ("EUR",)),
)  # fmt: skip
"""Statements with their parameters. The first four want an index each: `MISSING`."""

MISSING = {
    ("public.payments", ("provider_reference",)),
    ("public.orders", ("customer_id", "created_at")),
    ("public.shipments", ("tracking_number",)),
    ("public.visits", ("visitor",)),
}

SETTINGS = {
    "fsync": "off",
    "listen_addresses": "",
    "log_line_prefix": "%m [%p] %u@%d/%a ",
    "log_statement": "all",
    "pg_stat_statements.track_planning": "off",
    "shared_buffers": "64MB",
    "timezone": "UTC",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveServer:
    """A running server. Databases: `shop` with rows, `bare` without pg_stat_statements, `odd` with odd names.

    Roles: `reader` may SELECT and see statistics, `stranger` may only connect, `postgres` everything.
    """

    folder: Path
    bin_folder: Path
    account: Account
    major: int

    def url(self, user: str = "reader", database: str = "shop", password: str = URL_PASSWORD) -> str:
        return f"postgresql://{user}:{password}@/{database}?host={self.folder}"

    def superuser(self, database: str = "shop") -> psycopg.Connection:
        return psycopg.connect(self.url("postgres", database), autocommit=True, application_name="test")

    def log_size(self) -> int:
        return (self.folder / "log").stat().st_size

    def logged_since(self, position: int, application: str = "advisor") -> list[str]:
        """The records that sessions of an application wrote to the log, each with its following lines."""
        text = (self.folder / "log").read_bytes()[position:].decode()
        records = re.split(r"(?m)^(?=\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} UTC \[)", text)
        return [record for record in records if re.match(rf"\S+ \S+ UTC \[\d+\] \S*@\S*/{application} ", record)]

    def program(self, name: str, *arguments: str | Path) -> None:
        """Runs one of the server's programs. Raises CalledProcessError."""
        subprocess.run(
            [self.bin_folder / name, *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
            **self.account.spawn(),
        )


@contextmanager
def live_server(
    found: Binaries, *, settings: Mapping[str, str] = SETTINGS, filled: bool = True
) -> Iterator[LiveServer]:
    """A server of these programs in a temporary folder, stopped and removed at the end."""
    with TemporaryDirectory(prefix="live", dir="/tmp", ignore_cleanup_errors=True) as name:
        folder, account, lease = Path(name), server_account(), new_lease(cache_folder())
        (folder / "password").write_text(PASSWORD)
        (folder / "password").chmod(0o644)
        folder.chmod(0o755)
        account.own(folder)
        bin_folder = usable_binaries(found, account, cache_folder(), lease)
        lease.end()
        server = LiveServer(folder=folder, bin_folder=bin_folder, account=account, major=found.major)
        arguments = ("-U", "postgres", "-A", "scram-sha-256", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8")
        server.program("initdb", "-D", folder / "data", f"--pwfile={folder / 'password'}", *arguments)
        lines = {"shared_preload_libraries": "pg_stat_statements", "unix_socket_directories": name, **settings}
        text = "".join(f"{key} = '{value}'\n" for key, value in lines.items())
        (folder / "data" / "postgresql.auto.conf").write_text(text)
        server.program("pg_ctl", "start", "-w", "-s", "-D", folder / "data", "-l", folder / "log")
        try:
            if filled:
                _fill(server)
            yield server
        finally:
            # A server that a test killed cannot be stopped any more.
            with suppress(subprocess.CalledProcessError):
                server.program("pg_ctl", "stop", "-w", "-s", "-m", "immediate", "-D", folder / "data")


def _fill(server: LiveServer) -> None:
    with server.superuser("postgres") as postgres:
        for role in ("owner", "app", "reader", "stranger"):
            postgres.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'".encode())
        for name in ("shop", "bare", "odd"):
            postgres.execute(f"CREATE DATABASE {name} OWNER owner".encode())
    _run_as_owner(server, "shop", (SCHEMAS / "shop.sql").read_text(), ROWS, PARTITIONS)
    _run_as_owner(server, "odd", (SCHEMAS / "odd_names.sql").read_text(), ODD)
    for name in ("shop", "odd"):
        with server.superuser(name) as connection:
            connection.execute("CREATE EXTENSION pg_stat_statements")
            connection.execute("GRANT pg_read_all_stats TO reader")
            connection.execute("GRANT pg_read_all_data TO reader")
            connection.execute("GRANT SELECT, UPDATE ON ALL TABLES IN SCHEMA public TO app")
            connection.execute("VACUUM ANALYZE")
            connection.execute("SELECT pg_stat_statements_reset()")
    run_traffic(server)


def _run_as_owner(server: LiveServer, database: str, *texts: str) -> None:
    with psycopg.connect(server.url("owner", database), autocommit=True) as connection:
        for text in texts:
            connection.execute(text.encode())


ODD = """
INSERT INTO "user" ("group", "order") SELECT 'g' || n, n FROM generate_series(1, 120000) n;
CREATE TABLE "Straßen & Plätze 2" ("Größe (m²)" int, "e""f" text, "it's" "Mood", "$1" text);
INSERT INTO "Straßen & Plätze 2" SELECT n, 'v' || n, 'it''s ok', 'd' || n FROM generate_series(1, 150000) n;
"""

ODD_TRAFFIC: Sequence[tuple[str, Sequence[object]]] = (
    ('SELECT "id", "createdAt" FROM "user" WHERE "order" = $1', (7,)),
    ('SELECT "it\'s" FROM "Straßen & Plätze 2" WHERE "e""f" = $1 AND "it\'s" = \'it\'\'s ok\'', ("v7",)),
    ('SELECT "Größe (m²)" FROM "Straßen & Plätze 2" WHERE "$1" = $1', ("d7",)),
)


def run_traffic(server: LiveServer, *, times: int = 12) -> None:
    """Every statement `times` over, with server-side binding, as the application."""
    for database, traffic in (("shop", TRAFFIC), ("odd", ODD_TRAFFIC)):
        with psycopg.connect(
            server.url("app", database), autocommit=True, application_name="shop", cursor_factory=psycopg.RawCursor
        ) as connection:
            for _ in range(times):
                for statement, parameters in traffic:
                    connection.execute(statement.encode(), parameters or None, prepare=False)


def advise(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command as a user runs it."""
    return subprocess.run(
        [sys.executable, "-m", "advisor", *arguments], capture_output=True, text=True, timeout=120, check=False
    )
