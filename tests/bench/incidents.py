"""What goes wrong or happens rarely on the bench's server: errors, waits, cancellations, plans, temporary files."""

import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Event

import psycopg

Connect = Callable[[str, str], psycopg.Connection]
"""Opens a session, in autocommit, of a role with an `application_name`."""

ERRORS = (
    "INSERT INTO customers (id, email, full_name) VALUES ({number}, 'customer1@example.com', 'O''Hara')",
    "SELECT id, colour FROM products WHERE id = {number}",
    "SELECT * FROM missing_{number}",
    "SELECT 1 / (id - id) FROM customers WHERE id = {small}",
    "SELEC id FROM orders WHERE id = {number}",
    "SELECT '{number}x'::integer",
    "INSERT INTO payments (order_id, provider, provider_reference, amount) VALUES ({number}9999, 'card', 'x', 1)",
    "INSERT INTO reviews (product_id, customer_id, rating, body) VALUES ({small}, {small}, 9, E'two\\nlines {number}')",
    "UPDATE orders SET customer_id = NULL\nWHERE id = {small}\n\tAND status = 'delivered'",
    "DO $$ BEGIN RAISE EXCEPTION 'order % is gone', {small} USING HINT = 'Ask us.', DETAIL = 'Long\nago.'; END $$",
    "DO $$ BEGIN RAISE WARNING 'stock of {small} is low'; END $$",
)

EXPLAINED = (
    "SELECT full_name, sum(total) FROM customers c JOIN orders o ON customer_id = c.id WHERE c.id < {small} GROUP BY 1",
    "SELECT order_total({small})",
    "SELECT id FROM products WHERE name = 'Product {small}'",
)

CURSOR = (
    "BEGIN",
    "DECLARE recent CURSOR FOR SELECT id, total FROM orders WHERE customer_id = {small}",
    "FETCH FORWARD 2 FROM recent",
    "FETCH FORWARD 2 FROM recent",
    "CLOSE recent",
    "COMMIT",
)

PREPARED = (
    "PREPARE by_email (text) AS SELECT id, full_name FROM customers WHERE email = $1",
    "EXECUTE by_email('customer{small}@example.com')",
    "EXECUTE by_email('it''s, {number}')",
    "DEALLOCATE by_email",
)


def make_incidents(connect: Connect, seed: int, stop: Event) -> None:
    """One after another, some tens a second, until `stop`; which ones is the seed's choice, how many the machine's."""
    rng = random.Random(seed)
    kinds = (fail, *(fail,) * 6, explain, explain, use_cursor, use_cursor, sort_on_disk, be_cancelled, be_refused, wait)
    while not stop.wait(0.02):
        rng.choice((*kinds, deadlock))(connect, rng)


def run(session: psycopg.Connection, texts: Sequence[str], rng: random.Random) -> None:
    """The statements with numbers put in; an error is what the log wants."""
    for text in texts:
        with suppress(psycopg.Error):
            session.execute(text.format(number=rng.randrange(10**6), small=rng.randrange(1, 200)).encode())


def fail(connect: Connect, rng: random.Random) -> None:
    """Statements that fail, or warn."""
    with connect("app", "web") as session:
        run(session, rng.sample(ERRORS, 4), rng)


def explain(connect: Connect, rng: random.Random) -> None:
    """auto_explain in one of its formats, with nested statements."""
    with connect("postgres", "nightly report") as session:
        style = rng.choice(("text", "text", "json", "xml", "yaml"))
        settings = (("log_format", style), ("log_min_duration", "0"), ("log_analyze", "on"), ("log_buffers", "on"))
        session.execute(b"LOAD 'auto_explain'")
        for name, value in (*settings, ("log_nested_statements", "on")):
            session.execute(f"SET auto_explain.{name} = '{value}'".encode())
        run(session, EXPLAINED, rng)
        with suppress(psycopg.Error):
            session.execute("SELECT id, total FROM orders WHERE customer_id = %s AND status = %s", (7, "it's, 'odd'"))


def use_cursor(connect: Connect, rng: random.Random) -> None:
    """A cursor, and statements prepared by name in SQL."""
    with connect("analyst", "") as session:
        run(session, (*CURSOR, *PREPARED), rng)


def sort_on_disk(connect: Connect, rng: random.Random) -> None:
    """A temporary file."""
    with connect("analyst", "nightly report") as session:
        run(session, ("SET work_mem = '64kB'",), rng)
        run(session, ("SELECT n, md5(n::text) AS hash FROM generate_series(1, 1{small}0) n ORDER BY 2 DESC",), rng)


def be_cancelled(connect: Connect, rng: random.Random) -> None:
    """By the statement timeout, and by the administrator."""
    with connect("analyst", "nightly report") as session, connect("postgres", "psql") as other:
        run(session, ("SET statement_timeout = 20", "SELECT pg_sleep({small})"), rng)
        other.execute("SELECT pg_terminate_backend(%s)", (session.info.backend_pid,))
        run(session, ("SELECT 1",), rng)


def be_refused(connect: Connect, rng: random.Random) -> None:
    """A login that there is not."""
    with suppress(psycopg.Error), connect(f"intruder{rng.randrange(9)}", "web"):
        pass


def wait(connect: Connect, rng: random.Random) -> None:
    """One session for another's row lock, longer than `deadlock_timeout`."""
    text = f"UPDATE addresses SET city = 'Köln' WHERE id = {rng.randrange(1, 300)}".encode()
    with connect("app", "web") as first, connect("worker", "worker") as second:
        first.execute(b"BEGIN")
        first.execute(text)
        second.pgconn.send_query(text)
        time.sleep(0.08)
        first.execute(b"COMMIT")
        _finish(second)


def deadlock(connect: Connect, rng: random.Random) -> None:
    """Two sessions and two rows."""
    texts = [f"UPDATE addresses SET city = 'Bonn' WHERE id = {n}".encode() for n in rng.sample(range(1, 300), 2)]
    with connect("app", "web") as first, connect("worker", "worker") as second:
        for session, text in ((first, texts[0]), (second, texts[1])):
            session.execute(b"BEGIN")
            session.execute(text)
        first.pgconn.send_query(texts[1])
        with suppress(psycopg.Error):
            second.execute(texts[0])
        second.execute(b"ROLLBACK")
        _finish(first)
        first.execute(b"ROLLBACK")


def _finish(session: psycopg.Connection) -> None:
    while session.pgconn.get_result() is not None:
        pass
