"""The one way to the user's database: a session that can only read, and only for a short time."""

import os
import re
from typing import Any

import psycopg

from advisor.errors import ConnectionFailed

CONNECT_TIMEOUT_S = 10
"""Long enough for a database on another continent, short enough for a person who waits."""

STATEMENT_TIMEOUT_MS = 30_000
"""A catalog of 100,000 relations is read in about ten seconds; nothing of ours may run longer on production."""

LOCK_TIMEOUT_MS = 2_000
"""A reader that queues behind an ACCESS EXCLUSIVE lock is harmless for others, but should not wait for it."""

IDLE_TIMEOUT_MS = 60_000
"""An open transaction holds back VACUUM: the server ends ours when this process hangs or is stopped."""

# One transaction with SET LOCAL, because a pooler in transaction mode refuses start-up options and may give the
# next transaction another server session. `search_path = pg_catalog` makes the server print every name outside
# pg_catalog with its schema and keeps functions planted in other schemas out of our queries. All queries see one
# state; a hot standby refuses SERIALIZABLE, which a role or a database may have as its default.
_SESSION = f"""
SET LOCAL default_transaction_read_only = on;
SET LOCAL transaction_isolation = 'repeatable read';
SET LOCAL statement_timeout = {STATEMENT_TIMEOUT_MS};
SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS};
SET LOCAL idle_in_transaction_session_timeout = {IDLE_TIMEOUT_MS};
SET LOCAL application_name = 'advisor';
SET LOCAL client_encoding = 'UTF8';
SET LOCAL DateStyle = 'ISO, YMD';
SET LOCAL IntervalStyle = 'postgres';
SET LOCAL extra_float_digits = 1;
SET LOCAL bytea_output = 'hex';
SET LOCAL standard_conforming_strings = on;
SET LOCAL escape_string_warning = off;
SET LOCAL quote_all_identifiers = off;
SET LOCAL row_security = on;
SET LOCAL transform_null_equals = off
"""

_ATTEMPTS = 5
"""A role's own statement_timeout, were it a millisecond, holds until ours is set."""

_CAUSES: tuple[tuple[str, str, str], ...] = (
    (
        "password authentication failed|no password supplied|authentication failed",
        "The server refused the user name or the password.",
        "Check both; the password may also come from PGPASSWORD or ~/.pgpass.",
    ),
    (
        'database ".*" does not exist',
        "The server has no database of that name.",
        "List the databases with: psql -l",
    ),
    ('role ".*" does not exist', "The server has no role of that name.", "Check the user in the URL or PGUSER."),
    (
        "connection refused|no such file or directory|connection timed out|network is unreachable|no route to host",
        "No PostgreSQL server answers there.",
        "Check host and port, that the server runs, and that a firewall lets you through.",
    ),
    (
        "timeout expired|connection timeout",
        f"The server did not answer in time (by default {CONNECT_TIMEOUT_S} s).",
        "Check host, port and firewall, or raise connect_timeout in the URL.",
    ),
    (
        "could not translate host name|name or service not known|failed to resolve host",
        "The host name is not known.",
        "Check the host in the URL or PGHOST.",
    ),
    (
        "no pg_hba.conf entry",
        "The server does not admit this user from this host.",
        "Ask for an entry in pg_hba.conf, or try sslmode=require.",
    ),
    ("ssl|certificate", "The encrypted connection could not be set up.", "Check sslmode and the certificates."),
    (
        "definition of service|service file",
        "The service is not defined.",
        "Check PGSERVICE and the file ~/.pg_service.conf.",
    ),
    (
        "too many (clients|connections)|remaining connection slots",
        "The server has no free connection.",
        "Try again later, or go through the pooler.",
    ),
    ("starting up|shutting down|in recovery", "The server is starting, stopping or recovering.", "Try again later."),
)


def masked(url: str) -> str:
    """The URL or DSN with every password replaced by `***`, rather too much of it than too little."""
    text = re.sub(r"^(\s*[\w+.-]+://[^:/@?]*):.*@", r"\1:***@", url, flags=re.DOTALL)
    text = re.sub(r"([?&](?:ssl)?password=)[^&\s]*", r"\1***", text, flags=re.IGNORECASE)
    if "://" not in text:
        value = r"(?:'(?:\\.|[^'\\])*'?|(?:\\.|\S)+)"
        text = re.sub(rf"\b((?:ssl)?password\s*=\s*){value}", r"\1***", text, flags=re.IGNORECASE | re.DOTALL)
    return text


def connect(url: str) -> psycopg.Connection[Any]:
    """A connection to the user's database, inside a READ ONLY transaction with short timeouts.

    `url` is a URL, a `key=value` DSN, a SQLAlchemy URL (`postgresql+psycopg://…`) or empty; PG* variables, services,
    `.pgpass` and sslmode work as in libpq. Every later transaction of the connection is read only, too; the timeouts
    hold for the first one, so that nothing is left behind in a pooled session. Raises ConnectionFailed.
    """
    conninfo = _conninfo(url)
    try:
        connection = psycopg.connect(conninfo, prepare_threshold=None)
    except (psycopg.Error, UnicodeError, ValueError) as error:
        raise connection_failed(error, url) from None
    try:
        connection.read_only = True
        _begin(connection)
    except psycopg.Error as error:
        connection.close()
        raise connection_failed(error, url) from None
    return connection


def _begin(connection: psycopg.Connection[Any]) -> None:
    """The first transaction, with its settings."""
    for attempt in range(_ATTEMPTS):
        try:
            connection.execute(_SESSION)
            return
        except psycopg.errors.QueryCanceled:
            if attempt == _ATTEMPTS - 1:
                raise
        connection.rollback()


def connection_failed(error: Exception, url: str = "") -> ConnectionFailed:
    """The error to raise for a failure of psycopg's: what, why and what to try, without any password."""
    where = masked(url) or "the database"
    text = _clean(str(error), url)
    for pattern, why, hint in _CAUSES:
        if re.search(pattern, text, flags=re.IGNORECASE):
            return ConnectionFailed(f"Cannot connect to {where}.", why=f"{why} ({text})", hint=hint)
    return ConnectionFailed(f"Cannot connect to {where}.", why=text, hint="Try the same URL with psql.")


def connection_lost(error: psycopg.Error) -> ConnectionFailed:
    """The error to raise when a query on the user's database fails: gone, cancelled or refused."""
    text = _clean(str(error), "")
    if isinstance(error, psycopg.errors.QueryCanceled):
        hint = "Run it again when the server is less busy."
        why = f"A catalog query took longer than {STATEMENT_TIMEOUT_MS // 1000} s. ({text})"
    elif isinstance(error, psycopg.errors.LockNotAvailable):
        why = f"Another session held a lock on a catalog for over {LOCK_TIMEOUT_MS // 1000} s. ({text})"
        hint = "Run it again when that is over."
    elif isinstance(error, psycopg.OperationalError):
        why, hint = text, "Check that the server is up, and run it again."
    else:
        why, hint = text, "Report this with the server's version."
    return ConnectionFailed("The database could not be read to the end.", why=why, hint=hint)


def _conninfo(url: str) -> str:
    """libpq's connection string for what the user gave; raises ConnectionFailed when it cannot be understood."""
    # Poolers take an application_name at the start, too.
    defaults: dict[str, Any] = {"application_name": "advisor"}
    if "PGCONNECT_TIMEOUT" not in os.environ:
        defaults["connect_timeout"] = CONNECT_TIMEOUT_S
    try:
        given = _strip_driver(url)
        known = psycopg.conninfo.conninfo_to_dict(given)
        return psycopg.conninfo.make_conninfo(given, **{k: v for k, v in defaults.items() if k not in known})
    except (psycopg.ProgrammingError, ValueError):
        # libpq's own message quotes the text around the fault, which may be the password, and so may be any word
        # of what is not even a URL.
        raise ConnectionFailed(
            f"{masked(url) if '://' in url else 'The DSN'} is not a connection URL.",
            why="libpq cannot read it: a part is missing, misspelt or not percent-encoded.",
            hint="Write postgresql://user:password@host:5432/database, with %40 for an @ inside the password.",
        ) from None


def _strip_driver(url: str) -> str:
    if not re.match(r"\s*postgres(?:ql)?\+\w+://", url):
        return url
    # Imported here: a quarter of a second, needed for this one form of URL only.
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parsed = make_url(url.strip()).set(drivername="postgresql+psycopg")
        _, options = parsed.get_dialect()().create_connect_args(parsed)
    except ArgumentError:
        raise ValueError("not a URL") from None
    return psycopg.conninfo.make_conninfo(**{k: v for k, v in options.items() if k != "context"})


def _clean(text: str, url: str) -> str:
    """One line of the driver's message, without the password the URL may hold."""
    line = " ".join(text.split())
    try:
        password = psycopg.conninfo.conninfo_to_dict(_strip_driver(url)).get("password")
    except (psycopg.ProgrammingError, ValueError):
        password = None
    for secret in (str(password) if password else "", os.environ.get("PGPASSWORD", "")):
        # A password that is a common word would tear holes into the message, and is not told by leaving it in place.
        if len(secret) >= 4 and secret in line:
            line = line.replace(secret, "***")
    return line
