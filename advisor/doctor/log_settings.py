"""The settings that decide what a server's log tells. Judged from their values alone; nothing is changed.

Source: PostgreSQL manual, "Error Reporting and Logging", "auto_explain", "Run-time Statistics".
"""

import re
from collections.abc import Iterator, Mapping

from advisor.doctor.check import Check
from advisor.errors import InputError
from advisor.sources.languages import languages
from advisor.sources.prefix import compile_prefix

PREFIX = "%m [%p] %q%u@%d/%a "
"""Time, process, user, database and application: all that the readers use, as short as it gets."""

_SLOW_MS = 100
SLOW = f"{_SLOW_MS}ms"
"""What a production server can log without growing its log by much: few statements of a healthy one take longer."""

PLAN_OF = "1s"
"""A plan is some kilobytes of log: only for what is slow enough to be worth them."""

SPILLED = "10MB"
"""Smaller temporary files stay in the operating system's cache and cost little."""

Settings = Mapping[str, str]
"""Values by name, as `pg_settings` has them: without a unit, in the setting's own. What is absent may not be seen."""


def judge_settings(settings: Settings, version_num: int) -> Iterator[Check]:
    """One answer per setting, in the order in which they matter."""
    yield _durations(settings)
    yield _prefix(settings)
    yield _language(settings)
    yield _plans(settings)
    yield _switch(settings, "track_io_timing", "The time of reading from disk cannot be told from that of computing.")
    if version_num >= 140000:
        yield _query_id(settings)
    yield _switch(settings, "log_lock_waits", "A statement that only waited for a lock looks like one with a bad plan.")
    yield _threshold(
        settings, "log_temp_files", SPILLED, "Sorts and hashes that did not fit into work_mem stay unseen."
    )
    yield _threshold(
        settings, "log_autovacuum_min_duration", "1min", "Tables on which autovacuum is slow or gives up stay unseen."
    )


def _durations(settings: Settings) -> Check:
    name = "log_min_duration_statement"
    value = settings.get(name)
    if value is None:
        return _unseen(name)
    all_logged = settings.get("log_duration") == "on" and settings.get("log_statement") == "all"
    if value == "0" or (value == "-1" and all_logged):
        return Check(name=name, status="good", found="every statement with its duration")
    if value == "-1":
        return Check(
            name=name,
            status="missing",
            found=f"off (log_statement = {settings.get('log_statement', 'unknown')})",
            cost="The log has no durations: nothing can be said about which queries are slow, only how often they ran.",
            fix=(_set(name, SLOW),),
            needs="reload",
        )
    if int(value) <= _SLOW_MS:
        found = f"from {value} ms on; 0 for an hour shows quick queries that run a thousand times (N+1), too"
        return Check(name=name, status="good", found=found)
    return Check(
        name=name,
        status="weak",
        found=f"{value} ms",
        cost="Faster statements are not logged, however often they run; 0 for an hour shows them all (N+1, too).",
        fix=(_set(name, SLOW),),
        needs="reload",
    )


def _prefix(settings: Settings) -> Check:
    name = "log_line_prefix"
    value = settings.get(name)
    if value is None:
        return _unseen(name)
    destinations = {each.strip() for each in settings.get("log_destination", "stderr").split(",")}
    if destinations <= {"csvlog", "jsonlog"}:
        return Check(name=name, status="good", found=f"not used: the log is {' and '.join(sorted(destinations))}")
    lacking = lacking_fields(value)
    if not lacking:
        return Check(name=name, status="good", found=repr(value))
    return Check(
        name=name,
        status="missing" if {"%m", "%p"} & set(lacking) else "weak",
        found=f"{value!r}, without {', '.join(lacking)}",
        cost=cost_of_fields(lacking),
        fix=(_set(name, PREFIX),),
        needs="reload",
    )


_FIELDS = (
    ("%m", ("second", "epoch"), "When a statement ran cannot be told: no time span, no repetition."),
    ("%p", ("pid", "session"), "Sessions cannot be told apart: repeated queries (N+1) are not found."),
    ("%d", ("database",), "Queries of all databases are put together."),
    ("%u", ("user",), "Which login sent a query stays unknown."),
)
"""Escape, the fields of the reader that serve for it, and what is lost without it."""


def lacking_fields(prefix: str) -> tuple[str, ...]:
    """The escapes that a `log_line_prefix` should have and has not; all of them where it is not one at all."""
    try:
        there = re.compile(compile_prefix(prefix)).groupindex
    except InputError:
        there = {}
    return tuple(escape for escape, groups, _ in _FIELDS if not any(group in there for group in groups))


def cost_of_fields(lacking: tuple[str, ...]) -> str:
    """What is lost without these escapes, as sentences."""
    return " ".join(cost for escape, _, cost in _FIELDS if escape in lacking)


def _language(settings: Settings) -> Check:
    value = settings.get("lc_messages")
    if value is None:
        return _unseen("lc_messages")
    known = ("C.", "en", *(name.partition("_")[0] for name in languages() if name != "zh_CN"), "zh_CN")
    if value in ("", "C", "POSIX") or value.startswith(known):
        return Check(name="lc_messages", status="good", found=value or "the operating system's")
    return Check(
        name="lc_messages",
        status="missing",
        found=value,
        cost="The log is in a language whose messages are not known, and cannot be read.",
        fix=(_set("lc_messages", "C"),),
        needs="reload",
    )


def _plans(settings: Settings) -> Check:
    value = settings.get("auto_explain.log_min_duration")
    cost = "The log has no plans: what the server really did is not known, only what a throwaway one does."
    set_duration = (_set("auto_explain.log_min_duration", PLAN_OF), _set("auto_explain.log_format", "json"))
    if value is None:
        # Not shared_preload_libraries: this one needs no restart. LOAD lets ALTER SYSTEM know the module's settings.
        library = add_library("session_preload_libraries", settings, "auto_explain")
        fix = ("LOAD 'auto_explain';", library, *set_duration)
        return Check(name="auto_explain", status="missing", found="not loaded", cost=cost, fix=fix, needs="reload")
    if value == "-1":
        return Check(
            name="auto_explain",
            status="missing",
            found="loaded, logs nothing",
            cost=cost,
            fix=set_duration,
            needs="reload",
        )
    analyzed = " with row counts" if settings.get("auto_explain.log_analyze") == "on" else ", planned ones"
    return Check(name="auto_explain", status="good", found=f"plans from {value} ms on{analyzed}")


def _query_id(settings: Settings) -> Check:
    value = settings.get("compute_query_id")
    if value is None:
        return _unseen("compute_query_id")
    if value != "off":
        return Check(name="compute_query_id", status="good", found=value)
    return Check(
        name="compute_query_id",
        status="missing",
        found="off",
        cost="pg_stat_statements collects nothing.",
        fix=(_set("compute_query_id", "auto"),),
        needs="reload",
    )


def _switch(settings: Settings, name: str, cost: str) -> Check:
    value = settings.get(name)
    if value is None:
        return _unseen(name)
    if value == "on":
        return Check(name=name, status="good", found="on")
    return Check(name=name, status="weak", found=value, cost=cost, fix=(_set(name, "on"),), needs="reload")


def _threshold(settings: Settings, name: str, wanted: str, cost: str) -> Check:
    value = settings.get(name)
    if value is None:
        return _unseen(name)
    if value == "-1":
        return Check(name=name, status="weak", found="off", cost=cost, fix=(_set(name, wanted),), needs="reload")
    unit = "kB" if name == "log_temp_files" else "ms"
    return Check(name=name, status="good", found=f"from {value} {unit} on" if value != "0" else "all")


def _unseen(name: str) -> Check:
    cost = "GRANT pg_read_all_settings to the role shows it."
    return Check(name=name, status="unknown", found="the role may not see it", cost=cost)


def add_library(setting: str, settings: Settings, name: str) -> str:
    """The statement that adds a library to those that a setting loads already."""
    there = [part.strip().strip('"') for part in settings.get(setting, "").split(",")]
    libraries = (part.replace("'", "''") for part in (*there, name) if part)
    return f"ALTER SYSTEM SET {setting} = " + ", ".join(f"'{library}'" for library in libraries) + ";"


def _set(name: str, value: str) -> str:
    return f"ALTER SYSTEM SET {name} = '{value}';"
