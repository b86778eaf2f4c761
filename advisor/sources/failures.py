"""An ERROR, FATAL or PANIC of a log: its class, its SQLSTATE and why the server did it.

Source of the messages: PostgreSQL 9.6 to 18, `src/backend/tcop/postgres.c` (ProcessInterrupts), `libpq/auth.c`,
`utils/init/postinit.c`, `storage/lmgr/deadlock.c`, `postmaster/postmaster.c`; of the states: `utils/errcodes.txt`.
"""

import re
from functools import lru_cache

from advisor.model.incident import Cause, Failure, Severity

MESSAGE_CHARACTERS = 300
"""Of a message that is looked at: the rest of a longer one is data."""

_HEX = r"\b0x[0-9a-fA-F]+|\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b|\b[0-9A-F]{1,8}/[0-9A-F]{1,8}\b"
_KEPT = r"\b(?:relation|constraint|table|index|sequence|policy|trigger)\ \"[^\"]*\""
_VARIABLE = re.compile(
    rf"""({_KEPT}|\bcolumn\ "[^"]*"(?=\ of\ relation))|(?<=:\ )".*"$|"[^"]*(?:"|$)|(?<!\w)'[^']*(?:'|$)|{_HEX}
    |(?<![\w.])-?\d+(?:[.,:]\d+)*(?!\w)""",
    re.VERBOSE,
)
"""Names of the schema (group 1) stay: they are few and say what failed. A column that does not exist goes: where
somebody wrote a text in double quotes, it is that text."""

_POSITION = re.compile(r" at character \d+\Z")
"""The stderr log has the position of an error in its statement behind the message; csvlog and jsonlog beside it
(`elog.c`, `send_message_to_server_log`)."""

_POSITION_CHARACTERS = 24

_RAISED = re.compile(r"PL/pgSQL function [^\n]* at RAISE(?:\n|$)")
_CONTEXT_TABLE = re.compile(r'automatic (?:vacuum|analyze) of table "([^"\n]*)"')
_CONTEXT_RELATION = re.compile(r'\btuple \(\d+,\d+\) in relation "([^"\n]*)"')

_CLIENT_LOST = frozenset(("08006", "08003", "57P01"))
_BY_STATE: dict[str, Cause] = {"53100": "disk_full", "53200": "out_of_memory"}
"""Whatever the message."""

_AUTHENTICATION = frozenset(("28000", "28P01"))
"""A FATAL error of these states refuses a connection; an ERROR of them is a statement's."""

_CANCELLED = frozenset(("57014",))
_RECOVERY = frozenset(("40001", "40P01", "57P01", "57P04", "55006"))

_CAUSES: tuple[tuple[str, Cause, frozenset[str]], ...] = (
    ("deadlock detected", "deadlock", frozenset(("40P01",))),
    ("canceling statement due to statement timeout", "statement_timeout", _CANCELLED),
    ("canceling statement due to lock timeout", "lock_timeout", frozenset(("55P03",))),
    ("canceling statement due to user request", "user_request", _CANCELLED),
    ("canceling statement due to conflict with recovery", "recovery_conflict", _RECOVERY),
    ("canceling autovacuum task", "autovacuum_cancelled", _CANCELLED),
    ("canceling authentication due to timeout", "authentication_timeout", _CANCELLED),
    ("terminating connection due to idle-in-transaction timeout", "idle_in_transaction_timeout", frozenset(("25P03",))),
    ("terminating connection due to idle-session timeout", "idle_session_timeout", frozenset(("57P05",))),
    ("terminating connection due to transaction timeout", "transaction_timeout", frozenset(("25P04",))),
    ("terminating connection due to conflict with recovery", "recovery_conflict", _RECOVERY),
    ("terminating connection due to administrator command", "administrator", frozenset(("57P01",))),
    ("terminating connection because of crash of", "crash_of_another_process", frozenset(("57P02",))),
    ("terminating ", "background_worker_terminated", frozenset(("57P01",))),
    ("could not obtain lock on ", "lock_not_available", frozenset(("55P03",))),
    ("could not serialize access", "serialization", frozenset(("40001",))),
    ("could not receive data from client", "client_lost", _CLIENT_LOST),
    ("could not send data to client", "client_lost", _CLIENT_LOST),
    ("connection to client lost", "client_lost", _CLIENT_LOST),
    ("sorry, too many clients already", "too_many_connections", frozenset(("53300",))),
    ("too many connections for ", "too_many_connections", frozenset(("53300",))),
    ("remaining connection slots are reserved", "too_many_connections", frozenset(("53300",))),
    ("number of requested standby connections exceeds", "too_many_connections", frozenset(("53300",))),
    ("password authentication failed for user ", "authentication", frozenset(("28P01",))),
    ("no pg_hba.conf entry for ", "authentication", frozenset(("28000",))),
    ("pg_hba.conf rejects ", "authentication", frozenset(("28000",))),
    ("the database system is ", "not_accepting_connections", frozenset(("57P03",))),
    ("temporary file size exceeds ", "temp_file_limit", frozenset(("53400",))),
    ("out of memory", "out_of_memory", frozenset(("53200",))),
    ("out of shared memory", "out_of_memory", frozenset(("53200",))),
)
"""The beginning of a message, its cause, and the states that go with it: another state is somebody's imitation."""


def _by_first_word() -> dict[str, tuple[tuple[str, Cause, frozenset[str]], ...]]:
    words = {text.split(" ", 1)[0] for text, _, _ in _CAUSES}
    return {word: tuple(row for row in _CAUSES if row[0].split(" ", 1)[0] == word) for word in words}


_CAUSES_BY_WORD = _by_first_word()

_STATES: dict[str, str] = {
    "deadlock detected": "40P01",
    "canceling statement due to statement timeout": "57014",
    "canceling statement due to user request": "57014",
    "canceling statement due to lock timeout": "55P03",
    "canceling autovacuum task": "57014",
    "terminating connection due to administrator command": "57P01",
    "terminating connection due to idle-in-transaction timeout": "25P03",
    "terminating connection due to idle-session timeout": "57P05",
    "terminating connection due to transaction timeout": "25P04",
    "current transaction is aborted, commands ignored until end of transaction block": "25P02",
    "division by zero": "22012",
    "smallint out of range": "22003",
    "integer out of range": "22003",
    "bigint out of range": "22003",
    "numeric field overflow": "22003",
    "could not serialize access due to concurrent update": "40001",
    "could not serialize access due to concurrent delete": "40001",
    "could not serialize access due to read/write dependencies among transactions": "40001",
    "sorry, too many clients already": "53300",
    "the database system is starting up": "57P03",
    "the database system is shutting down": "57P03",
    "the database system is in recovery mode": "57P03",
    "the database system is not accepting connections": "57P03",
    "the database system is not yet accepting connections": "57P03",
    'too many connections for role "…"': "53300",
    'too many connections for database "…"': "53300",
    'password authentication failed for user "…"': "28P01",
    'database "…" does not exist': "3D000",
    'column "…" does not exist': "42703",
    'syntax error at or near "…"': "42601",
    "syntax error at end of input": "42601",
    'unterminated quoted string at or near "…"': "42601",
    "value too long for type character varying(N)": "22001",
    "value too long for type character(N)": "22001",
}
"""By the whole class of a message, for logs whose prefix has no `%e`."""

_STATE_SHAPES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(shape), state)
    for shape, state in (
        (r'duplicate key value violates unique constraint "[^"]*"', "23505"),
        (r'insert or update on table "[^"]*" violates foreign key constraint "[^"]*"', "23503"),
        (r'update or delete on table "[^"]*" violates foreign key constraint "[^"]*" on table "[^"]*"', "23503"),
        (r'null value in column "[^"]*" (?:of relation "[^"]*" )?violates not-null constraint', "23502"),
        (r'new row for relation "[^"]*" violates check constraint "[^"]*"', "23514"),
        (r'conflicting key value violates exclusion constraint "[^"]*"', "23P01"),
        (r'invalid input syntax for (?:type )?(?:integer|bigint|smallint|numeric|uuid|boolean): "…"', "22P02"),
        (r'relation "[^"]*" does not exist', "42P01"),
        (r'missing FROM-clause entry for table "[^"]*"', "42P01"),
        (r'relation "[^"]*" already exists', "42P07"),
        (r'column "[^"]*" of relation "[^"]*" does not exist', "42703"),
        (r"function [^\" ]+\([^\"]*\) does not exist", "42883"),
        (r"operator does not exist: [^\"]+", "42883"),
        (r"permission denied for (?:table|relation|schema|database|function|sequence|view) \S+", "42501"),
        (r'could not obtain lock on (?:row in )?relation "[^"]*"', "55P03"),
    )
)


def is_raised(context: str | None) -> bool:
    """Whether the CONTEXT says that a PL/pgSQL RAISE wrote the message: then it is an application's, not the server's.

    Only RAISE says so. A message of PL/Python or PL/Perl has the function in its CONTEXT, as a real one from within it
    may; with `log_error_verbosity = terse` there is no CONTEXT at all. In a log without SQLSTATE those cannot be told
    apart from the server's own; with one, by the state (`P0001`, `XX000` or `00000`) where the real one has another.
    """
    return context is not None and _RAISED.match(context) is not None


def message_class(message: str) -> str:
    """The first line of a message without numbers, values in quotes, UUIDs and log positions.

    Names of relations, constraints and the like stay: `duplicate key value violates unique constraint "orders_pkey"`.
    """
    end = _POSITION.sub("", message[-_POSITION_CHARACTERS:], count=1)
    return _class((message[:-_POSITION_CHARACTERS][:MESSAGE_CHARACTERS] + end)[:MESSAGE_CHARACTERS].partition("\n")[0])


@lru_cache(maxsize=4096)
def _class(text: str) -> str:
    # The cache holds what it was asked for: a whole message may have megabytes.
    return _VARIABLE.sub(_masked, text).strip()


def _masked(match: re.Match[str]) -> str:
    text = match[0]
    if match[1] is not None:
        return text
    if text[0] == '"':
        return '"…"'
    return "'…'" if text[0] == "'" else "N"


@lru_cache(maxsize=4096)
def inferred_sqlstate(kind: str) -> str | None:
    """The SQLSTATE that a message of this class always has; None where it is not certain."""
    exact = _STATES.get(kind)
    if exact is not None:
        return exact
    return next((state for shape, state in _STATE_SHAPES if shape.fullmatch(kind)), None)


def read_failure(
    severity: Severity, message: str, detail: str | None, sqlstate: str | None, context: str | None
) -> Failure:
    """An ERROR, FATAL or PANIC as a value. The message's values do not leave this function."""
    kind = message_class(message)
    raised = is_raised(context)
    state = sqlstate or (None if raised else inferred_sqlstate(kind))
    cause = None if raised else _cause(severity, message, state)
    relation = reason = None
    if cause == "recovery_conflict":
        reason = conflict_reason(detail)
    elif context is not None and cause == "autovacuum_cancelled":
        found = _CONTEXT_TABLE.search(context)
        relation = found[1] if found else None
    elif context is not None and cause == "deadlock":
        relation = context_relation(context)
    return Failure(severity, state, kind, cause, relation, reason)


def context_relation(context: str | None) -> str | None:
    """The relation of `while updating tuple (0,1) in relation "orders"` in a CONTEXT; None where there is none."""
    found = _CONTEXT_RELATION.search(context) if context is not None else None
    return found[1] if found else None


def _cause(severity: Severity, message: str, state: str | None) -> Cause | None:
    for text, cause, states in _CAUSES_BY_WORD.get(message.partition(" ")[0], ()):
        if message.startswith(text):
            if cause == "background_worker_terminated" and severity != "FATAL":
                return None
            return cause if state is None or state in states else None
    if severity == "FATAL" and (
        state in _AUTHENTICATION or (state is None and " authentication failed for user " in message)
    ):
        return "authentication"
    return _BY_STATE.get(state) if state is not None else None


_REASONS = (
    ("row versions", "snapshot"),
    ("relation lock", "lock"),
    ("buffer pin", "bufferpin"),
    ("deadlock", "deadlock"),
    ("tablespace", "tablespace"),
    ("must be dropped", "database"),
    ("replication slot", "logicalslot"),
)


def conflict_reason(detail: str | None) -> str | None:
    """Which conflict with recovery a DETAIL tells of, in the words of `pg_stat_database_conflicts`."""
    if detail is None:
        return None
    return next((reason for words, reason in _REASONS if words in detail), None)
