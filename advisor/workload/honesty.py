"""Why a log shows no statements, no durations or not all of them, and what would show them.

A log lacks statements for one of a dozen reasons, and what else it holds tells which: the likeliest is said, with what
to do about it. All of it is known only when a log is read to its end, so that it is said of the whole, however many
pieces it was read in.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from advisor.model.instants import instant_text
from advisor.model.workload import Workload
from advisor.sources.record import Record
from advisor.workload.sampling import durations_of, sampling_of
from advisor.workload.window import Window

NO_STATEMENTS = "There are no statements"
"""How every sentence about that begins."""

NO_DURATIONS = "There are no durations"

MOVED = "The server's log goes on elsewhere"

_LOGGED = (
    "Set log_min_duration_statement = 0 for an hour (every statement with its duration), or '100ms' for good, and"
    " reload."
)
_NOT_LOGS = frozenset(("sql", "explain", "pg_stat_statements"))
"""Formats of inputs that are no logs."""

_SEVERITIES = frozenset(("LOG", "INFO", "NOTICE", "WARNING", "ERROR", "FATAL", "PANIC", "DEBUG"))
_NO_USER = frozenset((None, "", "[unknown]"))

BARE = "seen duration"
"""Count of the durations whose lines have no text."""

_HIDDEN = ("<", "[", "*", "{", "(hidden", "(redacted", "hidden", "redacted", "masked", "removed", "not logged")
"""How what stands in a statement's place begins."""

_SHOWN = 80
"""Characters of an example."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Logs:
    """The logs of a workload, with what its value does not tell of them.

    Attributes:
        formats: of all that was added up.
        counts: records that are no executions by their severity (`seen LOG`), those of clients (`seen client`), and
            `BARE`.
        windows: of each piece of a log the times of its first and last record, and which records of it were wanted.
        outside: statements were recognised that are not counted.
        unparsed_like: one of the statements that do not parse, without its literals.
    """

    workload: Workload
    formats: frozenset[str]
    counts: Mapping[str, int]
    windows: Sequence[tuple[int | None, int | None, Window | None]]
    outside: bool
    unparsed_like: str | None

    def seen(self, *names: str) -> int:
        """How many records were of these severities, or of clients (`client`)."""
        return sum(self.counts.get("seen " + name, 0) for name in names)


def kinds_of(record: Record) -> tuple[str, ...]:
    """What a record that is no execution counts as."""
    severity = record.severity if record.severity in _SEVERITIES else "other"
    return ("seen " + severity,) if record.user in _NO_USER else ("seen " + severity, "seen client")


def moved_to(record: Record) -> str | None:
    """A sentence where the record says that the server's log goes on elsewhere.

    Source: `src/backend/postmaster/syslogger.c` (SysLogger_Start), `postmaster.c` (PostmasterMain).
    """
    if not record.message.startswith(("redirecting log output to logging collector", "ending log output to stderr")):
        return None
    quoted = record.hint.split('"')[1:2] if record.hint is not None else []
    if record.message.startswith("redirecting"):
        folder = f'"{quoted[0]}"' if quoted else "log_directory"
        return f"{MOVED}: into the folder {folder} (seen from the data directory). Give the files there."
    target = quoted[0] if quoted else "what log_destination says"
    files = {"csvlog": "the .csv files in log_directory", "jsonlog": "the .json files in log_directory"}
    return f"{MOVED}: to {target}. Give {files.get(target, 'what it wrote there')}."


def with_gaps(logs: Logs) -> Workload:
    """The workload with what its logs do not show among its warnings, before the others."""
    workload = logs.workload
    there = any(query.calls for query in workload.queries)
    # Where the log goes on is of interest only if that was not given, too.
    others = [each for each in workload.warnings if not (there and each.startswith(MOVED))]
    return replace(workload, warnings=(*_gaps(logs), *others))


def _gaps(logs: Logs) -> tuple[str, ...]:
    """What the logs do not show and what to do about it; nothing for inputs that are no logs."""
    workload = logs.workload
    if not logs.windows:
        return ()
    said = sampling_of(workload)
    if _has_no_times(logs):
        said = ("The log's lines have no time (%m), so that --since and --until leave nothing out.", *said)
    if not any(query.calls for query in workload.queries) and not workload.plans:
        return (f"{NO_STATEMENTS}{_why_none(logs)}", *said)
    if logs.formats & _NOT_LOGS:
        # How many of the calls are a log's is not known.
        return said
    if workload.coverage.statements and not any(query.timed_calls for query in workload.queries):
        return (f"{NO_DURATIONS}{_why_untimed(workload)}", *said)
    return (*said, *durations_of(workload, logs.counts.get(BARE, 0)))


def _has_no_times(logs: Logs) -> bool:
    limited = any(_is_limited(wanted) for _, _, wanted in logs.windows)
    return limited and all(first is None for first, _, _ in logs.windows) and bool(logs.workload.coverage.events)


def _is_limited(wanted: Window | None) -> bool:
    return wanted is not None and (wanted.since_us is not None or wanted.until_us is not None)


def _why_none(logs: Logs) -> str:
    """The likeliest reason, to follow `NO_STATEMENTS`."""
    reasons: tuple[Callable[[Logs], str | None], ...] = (
        _not_understood, _not_in_time, _unparsed, _moved, _durations_alone, _switched_off, _not_of_severity,
        _failed_alone, _no_clients,
    )  # fmt: skip
    return next((said for reason in reasons if (said := reason(logs)) is not None), _nothing_logged(logs))


def _not_understood(logs: Logs) -> str | None:
    coverage = logs.workload.coverage
    if coverage.bytes_classified or not coverage.unknown:
        return None
    return (
        f": no line was understood. The commonest are like {coverage.unknown[0].sample[:_SHOWN]!r}. If this is a log of"
        " PostgreSQL, run SHOW log_line_prefix on the server and give it: --prefix '…'."
    )


def _not_in_time(logs: Logs) -> str | None:
    limited = [each for each in logs.windows if _is_limited(each[2])]
    firsts = [first for first, _, _ in limited if first is not None]
    lasts = [last for _, last, _ in limited if last is not None]
    if not firsts or not lasts:
        return None
    covers = f"it covers {instant_text(min(firsts))} to {instant_text(max(lasts))}"
    since = [wanted.since_us for _, _, wanted in limited if wanted is not None and wanted.since_us is not None]
    until = [wanted.until_us for _, _, wanted in limited if wanted is not None and wanted.until_us is not None]
    if (since and max(lasts) < min(since)) or (until and min(firsts) > max(until)):
        return f": all of the log is outside of --since and --until; {covers}. Times without a zone are taken as UTC."
    if logs.outside:
        return f": those of the log are all outside of --since and --until; {covers}. Times without a zone are UTC."
    return None


def _unparsed(logs: Logs) -> str | None:
    failed = logs.workload.coverage.statements_unparsed
    if not failed:
        return None
    like = " ".join((logs.unparsed_like or "").split())[:_SHOWN]
    if like.lower().startswith(_HIDDEN):
        return (
            f" to read: the {failed:,} in the log have texts like {like!r}, as a hosting service or a filter puts in"
            " their place. Take the log from where the texts are whole."
        )
    example = f", such as {like!r}" if like else ""
    return (
        f" that can be judged: none of the {failed:,} in the log is of PostgreSQL's grammar{example}. If lines are cut"
        " off on their way into this file, take the log from where they are whole."
    )


def _moved(logs: Logs) -> str | None:
    if not any(each.startswith(MOVED) for each in logs.workload.warnings):
        return None
    return ": these are the lines that a server writes before its log goes on elsewhere."


def _durations_alone(logs: Logs) -> str | None:
    bare = logs.counts.get(BARE, 0)
    if not bare:
        return None
    return (
        f": the log has {bare:,} durations, but no texts, as log_duration = on alone gives them. {_LOGGED} log_duration"
        " can be off then."
    )


def _switched_off(logs: Logs) -> str | None:
    for change in logs.workload.events.parameters:
        if change.name == "log_min_duration_statement" and change.last_value == "-1":
            at = f" at {instant_text(change.last_us)}" if change.last_us is not None else ""
            return f": log_min_duration_statement was set to -1{at}. {_LOGGED}"
    return None


def _not_of_severity(logs: Logs) -> str | None:
    """In `log_min_messages` LOG ranks above ERROR: only fatal and panic hide it."""
    if logs.seen("LOG") or not logs.seen("ERROR", "FATAL", "PANIC"):
        return None
    if logs.seen("ERROR"):
        return (
            ": the log has errors, but not one LOG line. Either those were filtered out on their way into this file, or"
            f" nothing but errors is logged. {_LOGGED}"
        )
    return (
        ": the log has FATAL and PANIC lines only. Where log_min_messages is fatal or panic, statements and durations"
        f" are left out, too: set it to warning, the default. {_LOGGED}"
    )


def _failed_alone(logs: Logs) -> str | None:
    failures = logs.workload.events.errors.count
    if not failures:
        return None
    return (
        f": the log has {failures:,} errors, with their statements where log_min_error_statement says so, but what"
        f" succeeds is not logged. {_LOGGED}"
    )


def _no_clients(logs: Logs) -> str | None:
    connections = logs.workload.events.connections
    if logs.seen("client") or connections.received or connections.authorized or connections.ended:
        return None
    if not logs.seen("LOG"):
        return None
    return (
        f": all {logs.seen('LOG'):,} LOG lines are of the server's own processes (checkpoints, autovacuum and the"
        f" like). Either no client was there, or nothing of them is logged. {_LOGGED}"
    )


def _nothing_logged(logs: Logs) -> str:
    connections = logs.workload.events.connections.authorized
    there = f", though {connections:,} connections were made" if connections else " in the log"
    return f"{there}: with log_min_duration_statement = -1, the default, none is logged. {_LOGGED}"


def _why_untimed(workload: Workload) -> str:
    """Why no execution has a duration, to follow `NO_DURATIONS`."""
    texts = [query.sql.lstrip("( ").upper() for query in workload.queries if query.calls]
    words = {text.split(None, 1)[0] for text in texts if text}
    if words & {"SELECT", "WITH", "VALUES", "TABLE"}:
        return f": log_statement = 'all' logs texts alone. {_LOGGED} log_statement can be none then."
    if words & {"INSERT", "UPDATE", "DELETE", "MERGE", "TRUNCATE", "COPY"}:
        return f", and no statements that only read, as with log_statement = 'mod'. {_LOGGED}"
    return f", and only statements of the schema, as with log_statement = 'ddl'. {_LOGGED}"
