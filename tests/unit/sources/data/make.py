"""Makes the logs of this folder with a real server, which runs as `postgres` where root starts this.

python make.py BIN_FOLDER OUTPUT_FOLDER
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

AUTO_EXPLAIN = (
    "log_min_duration_statement=0",
    "session_preload_libraries=auto_explain",
    "auto_explain.log_min_duration=0",
    "auto_explain.log_analyze=on",
)
SETTINGS = {
    "min0": ("log_line_prefix=%m [%p] %q%u@%d/%a ", "log_min_duration_statement=0"),
    "all": (
        "log_line_prefix=%m [%p] %c %v %e ",
        "log_statement=all",
        "log_duration=on",
        "log_connections=on",
        "log_disconnections=on",
        "log_error_verbosity=verbose",
    ),
    "explain_json": (
        "log_line_prefix=%t [%p]: [%l-1] user=%u,db=%d,app=%a,client=%h ",
        *AUTO_EXPLAIN,
        "auto_explain.log_format=json",
    ),
    "explain_text": ("log_line_prefix=%m [%p] ", *AUTO_EXPLAIN, "auto_explain.log_format=text"),
}
TRACE = "/*controller='orders',traceparent='00-{trace:032d}-1111111111111111-01'*/"


def run(dsn: str) -> None:
    """The session that is logged: every way in which a statement reaches the log."""
    with psycopg.connect(dsn, autocommit=True, application_name="shop web") as connection:
        simple = psycopg.ClientCursor(connection)
        simple.execute(
            "CREATE TABLE orders(id int primary key, customer_id int, status text, note text);"
            " CREATE TABLE items(id serial, order_id int, sku text)"
        )
        simple.execute("INSERT INTO orders SELECT g, g%7, 'paid', 'x' FROM generate_series(1,20) g")
        simple.execute("SELECT id,\n       note\n  FROM orders\n WHERE status = 'it''s, \"ok\"'\n\tLIMIT 5;")
        awkward = ("it's, $2 = 'x'\nsecond 'line'", None, 3)
        connection.execute("SELECT * FROM orders WHERE status = %s AND note = %s AND customer_id = %s", awkward)
        with connection.transaction():
            for (order,) in connection.execute("SELECT id FROM orders WHERE customer_id = %s", (3,)).fetchall():
                connection.execute("SELECT sku FROM items WHERE order_id = %s", (order,), prepare=True)
        for trace in range(3):
            comment = TRACE.format(trace=trace)
            simple.execute(f"SELECT count(*) FROM items WHERE order_id = {trace} AND sku <> 'a' {comment}")
        for broken in (b"SELECT nope FROM orders", b"SELEC 1", b"SELECT 1/0"):
            with contextlib.suppress(psycopg.Error):
                connection.execute(broken)
        connection.execute("SELECT 'ü', %s", ("é\u2013",))
        with connection.transaction(), connection.cursor(name="cur") as named:
            named.execute("SELECT * FROM orders")
            named.fetchmany(3)
        with connection.cursor().copy("COPY items(order_id, sku) FROM STDIN") as copy:
            copy.write("1\ta\n")


@contextlib.contextmanager
def server(binaries: Path, folder: Path, settings: tuple[str, ...]) -> Iterator[str]:
    """A server in `folder` with the settings; gives its connection string."""
    data = folder / "data"
    user = "postgres" if os.getuid() == 0 else None
    if user:
        shutil.chown(folder, user)
    subprocess.run(
        [binaries / "initdb", "-D", data, "-U", "app", "-A", "trust", "-N", "--no-locale", "-E", "UTF8"],
        check=True,
        user=user,
    )
    common = ("logging_collector=on", "log_destination=stderr,csvlog,jsonlog", "log_filename=pg", "log_timezone=UTC")
    options = [
        f"-c{setting}" for setting in (*settings, *common, f"unix_socket_directories={folder}", "listen_addresses=")
    ]
    process = subprocess.Popen([binaries / "postgres", "-D", data, *options], user=user)
    dsn = f"host={folder} user=app dbname=postgres"
    try:
        for _ in range(100):
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(dsn).close()
                break
            time.sleep(0.1)
        yield dsn
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    """Makes the logs of one major version."""
    binaries, output = Path(sys.argv[1]), Path(sys.argv[2])
    for name, settings in SETTINGS.items():
        with tempfile.TemporaryDirectory() as folder:
            with server(binaries, Path(folder), settings) as dsn:
                run(dsn)
            major = Path(folder, "data", "PG_VERSION").read_text().strip()
            for log in Path(folder, "data", "log").iterdir():
                suffix = log.suffix if log.suffix in (".csv", ".json") else ".log"
                shutil.copy(log, output / f"{name}-{major}{suffix}")


if __name__ == "__main__":
    main()
