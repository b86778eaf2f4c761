"""Heroku Postgres: `heroku logs -p postgres` and Logplex drains.

Source: Heroku's Dev Center, "Logging" and "Log Drains" (RFC 5424 without structured data, with octet counts), "Heroku
Postgres Log Statements": `[COLOUR] [message-chunk]` and the prefix ` sql_error_code = %e `, on newer servers with more.
"""

import re
from collections.abc import Iterator

from advisor.sources.envelopes.assembler import Assembler
from advisor.sources.envelopes.envelope import Layer
from advisor.sources.envelopes.source import Source
from advisor.sources.envelopes.stamps import iso_stamp
from advisor.sources.envelopes.text import stamped

_TIME = rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)"
_CLI = re.compile(rb"(?P<time>" + _TIME + rb") (?P<app>app|heroku)\[(?P<process>[\w.-]+)\]: (?P<message>.*)", re.DOTALL)
_DRAIN = re.compile(
    rb"(?:\d{1,9} )?<\d{1,3}>1 (?P<time>" + _TIME + rb") (?P<host>\S+) (?P<app>app|heroku) (?P<process>[\w.-]+) "
    rb"- (?:- )?(?P<message>.*)",
    re.DOTALL,
)
_POSTGRES = re.compile(rb"postgres\.(\d+)")
_NUMBERED = re.compile(rb"\[([A-Z][A-Z0-9_]*)\] (\[\d+-\d+\] .*)", re.DOTALL)

PREFIX = "%m [%p]  sql_error_code = %e "
"""The server's own, behind the time and the process of Logplex."""

LONG_PREFIX = (
    ' sql_error_code = %e %qtime_ms = "%m" pid="%p" proc_start_time="%s" session_id="%c" vtid="%v" tid="%x"'
    ' log_line="%l" database="%d" connection_source="%r" user="%u" application_name="%a" '
)


def header(line: bytes) -> re.Match[bytes] | None:
    """The parts of a Logplex line: time, app, process and message."""
    return _CLI.match(line) or _DRAIN.match(line)


def is_postgres(line: bytes) -> bool:
    """Whether the line comes from a server."""
    found = header(line)
    return found is not None and _POSTGRES.fullmatch(found["process"]) is not None


def read(layer: Layer, source: Source) -> Iterator[bytes]:
    """The lines of the inner log; those of dynos, the router and metrics are the envelope's own."""
    assembler = Assembler(layer, source.foreign)
    for line in source.lines():
        found = header(line)
        if found is None:
            if line.strip():
                source.foreign(line)
            continue
        process = _POSTGRES.fullmatch(found["process"])
        numbered = _NUMBERED.match(found["message"]) if process else None
        if process is None or numbered is None:
            continue
        stamp = stamped(layer, iso_stamp(found["time"].decode()), process[1])
        text = numbered[2].removesuffix(b"\n").removesuffix(b"\r")
        yield from assembler.add((numbered[1], process[1]), text, stamp, line)
    yield from assembler.finish()
