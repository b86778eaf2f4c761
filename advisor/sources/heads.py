"""What stands before the severity on the lines of a log, and what the messages behind it say about the session."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from advisor.sources.escapes import SEVERITIES
from advisor.sources.languages import Language

LONGEST_HEAD = 300
"""Letters of a prefix: names are bounded by 63 bytes each, and nobody logs more than four of them."""

SAMPLE_START = 200
SAMPLE_SPREAD = 100
"""Lines looked at: those at the start one after the other (a record and its DETAIL tell much), others from all over."""

CONTINUED = frozenset(("DETAIL", "STATEMENT", "HINT", "CONTEXT", "QUERY", "LOCATION", "BACKTRACE"))

_BACKGROUND = re.compile(
    r"(?:checkpoint|restartpoint) (?:starting|complete)|database system (?:is|was) |starting PostgreSQL |listening on |"
    r"received (?:SIGHUP|fast|smart|immediate)|automatic (?:aggressive )?(?:vacuum|analyze) |parameter \"|redo |"
    r"shutting down|autovacuum launcher|logical replication launcher|background worker \"|server process \(PID |"
    r"aborting any active|terminating any other|all server processes|consistent recovery|entering standby|"
    r"started streaming|archive command failed|selected new timeline|archive recovery complete"
)
"""Messages of processes that serve no client."""

_CONNECTED = re.compile(
    r"(?P<replication>replication )?connection authorized: user=(?P<user>\S*)"
    r"(?: database=(?P<database>.*?))?(?: application_name=(?P<application>.*?))?(?: (?:SSL|GSS) .*)?$"
)
_DISCONNECTED = re.compile(r"disconnection: session time: \S+ user=(\S*) database=(.*?) host=(\S+)")
_RECEIVED = re.compile(r"connection received: host=(\S+)")
_REFUSED = re.compile(r'password authentication failed for user "([^"]+)"|role "([^"]+)" does not exist')
_VACUUMED = re.compile(r'automatic (?:aggressive )?(?:vacuum|analyze) (?:to prevent wraparound )?of table "([^".]+)\.')


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A line's text before the severity, and what is known of the process that wrote it.

    user, database, application: as the message says them; None where it does not. `received`: nothing of a client is
    known yet. `connected`: its name and database are, its application is not. `background`: it serves no client.
    `row`: number among the lines with a severity.
    """

    text: str
    severity: str
    row: int
    background: bool = False
    received: bool = False
    connected: bool = False
    user: str | None = None
    database: str | None = None
    application: str | None = None
    host: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Users, databases, applications and hosts of which the log's messages speak."""

    users: frozenset[str]
    databases: frozenset[str]
    applications: frozenset[str]
    hosts: frozenset[str]

    @property
    def all(self) -> frozenset[str]:
        return self.users | self.databases | self.applications


def read_heads(text: str, language: Language | None) -> tuple[list[Head], list[str]]:
    """Heads of a sample of the lines that have a severity, in their order; and the text of all such lines' heads."""
    marks: Mapping[str, str] = language.marks if language else {}
    words = "|".join(map(re.escape, sorted(marks, key=len, reverse=True))) if marks else ""
    english = rf"(?:{SEVERITIES}):  "
    pattern = re.compile(
        rf"^(?!\t)([^\n]{{0,{LONGEST_HEAD}}}?)({words}|{english})([^\n]*)"
        if words
        else rf"^(?!\t)([^\n]{{0,{LONGEST_HEAD}}}?)({english})([^\n]*)",
        re.MULTILINE,
    )
    found = pattern.findall(text)
    rows = list(range(min(SAMPLE_START, len(found))))
    rest = len(found) - len(rows)
    if rest:
        step = max(1, rest // SAMPLE_SPREAD)
        rows += range(len(rows), len(found), step)
    heads = []
    for row in rows:
        head, mark, message = found[row]
        severity = marks.get(mark) or mark.rstrip(": ")
        heads.append(_head(head, severity, language.english(message) if language else message, row))
    return heads, [head for head, _, _ in found]


_STATE = re.compile(r"[0-9A-Z]{5}: ")


def _head(text: str, severity: str, message: str, row: int) -> Head:
    state = _STATE.match(message)
    if state:
        message = message[state.end() :]
    if severity in CONTINUED:
        return Head(text=text, severity=severity, row=row)
    if _BACKGROUND.match(message):
        return Head(text=text, severity=severity, row=row, background=True)
    if not message.startswith(("conn", "disc", "repl")):
        return Head(text=text, severity=severity, row=row)
    connected = _CONNECTED.match(message)
    if connected:
        database = None if connected["replication"] else connected["database"]
        return Head(
            text=text,
            severity=severity,
            row=row,
            connected=True,
            user=connected["user"],
            database=database,
            application=connected["application"],
        )
    left = _DISCONNECTED.match(message)
    if left:
        database = left[2] or None
        return Head(text=text, severity=severity, row=row, user=left[1], database=database, host=left[3])
    received = _RECEIVED.match(message)
    host = received[1] if received else None
    return Head(text=text, severity=severity, row=row, received=received is not None, host=host)


def read_names(text: str, heads: Sequence[Head]) -> Names:
    """Names from the sample's connections, and from messages about logins that failed and tables that were vacuumed."""
    refused = [first or second for first, second in _REFUSED.findall(text)]
    return Names(
        users=frozenset([*(head.user for head in heads if head.user), *refused]),
        databases=frozenset([*(head.database for head in heads if head.database), *_VACUUMED.findall(text)]),
        applications=frozenset(head.application for head in heads if head.application),
        hosts=frozenset(head.host for head in heads if head.host),
    )
