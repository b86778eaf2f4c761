"""The flags that `analyze`, `check` and `demo` share, and their values as `Options`."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

import click

from advisor.model.options import FailOn, Options

FORMATS = ("text", "json", "github")

_F = TypeVar("_F", bound=Callable[..., Any])


def option(*names: str, **settings: Any) -> Callable[[_F], _F]:
    """A click option that may also come from the environment (`--min-calls`: `ADVISOR_MIN_CALLS`)."""
    long = next(name for name in names if name.startswith("--"))
    return click.option(*names, envvar=f"ADVISOR_{long[2:].replace('-', '_').upper()}", **settings)


def shared_options(default_fail_on: FailOn) -> Callable[[_F], _F]:
    """Adds the shared flags to a command; they arrive as keyword arguments for `read_options` and `Output`."""
    flags = [
        option("--format", "formats", type=click.Choice(FORMATS), multiple=True, help="Output format; default text."),
        option("-o", "--output", "outputs", multiple=True, metavar="FILE", help="Write the format to FILE, in pairs."),
        option("--select", metavar="CODES", default="", help="Only these rules: codes, prefixes, names; +X adds."),
        option("--ignore", metavar="CODES", default="", help="Not these rules."),
        option("--sandbox", default="auto", metavar="WHERE", help="auto, embedded, local, docker, off or a URL."),
        option("--docker-image", metavar="IMAGE", help="The image for a server in Docker."),
        # Accepted, so that a setting for snapshot and twin may stand for all commands; these never probe.
        option("--no-probes", is_flag=True, hidden=True),
        option("--table-rows", metavar="T=N,…", default="", help="Rows of tables, where nothing else tells."),
        option("--since", metavar="TIME", help="Leave out what is earlier (ISO 8601; UTC without a zone)."),
        option("--until", metavar="TIME", help="Leave out what is later."),
        option(
            "--min-calls", type=click.IntRange(0), metavar="N", default=0, help="Leave out queries with fewer calls."
        ),
        option("--min-time", type=click.FloatRange(0), metavar="MS", default=0.0, help="… with less total time."),
        option(
            "--min-coverage",
            type=click.IntRange(0, 100),
            metavar="PERCENT",
            default=90,
            help="Least share of a log to understand.",
        ),
        option("--prefix", metavar="P", help="The log's log_line_prefix, where it is not found out."),
        option("--jobs", type=click.IntRange(1), metavar="N", default=1, help="Processes that read logs."),
        option("--top", type=click.IntRange(1), metavar="N", help="Cards in the text report."),
        option(
            "--max-instances",
            type=click.IntRange(0),
            metavar="N",
            default=100,
            help="N+1 instances per finding; 0: all.",
        ),
        option(
            "--time-limit", type=click.FloatRange(min=0, min_open=True), metavar="S", help="Seconds for all trials."
        ),
        option(
            "--fail-on",
            type=click.Choice(["error", "warning", "info", "never"]),
            default=default_fail_on,
            show_default=True,
            help="Exit 1 from this severity on.",
        ),
        option("--color", type=click.Choice(["auto", "always", "never"]), default="auto", help="Colours."),
        option("-q", "--quiet", is_flag=True, help="No notices and no progress on stderr."),
    ]

    def add(command: _F) -> _F:
        for flag in reversed(flags):
            command = flag(command)
        return command

    return add


def read_options(values: Mapping[str, Any]) -> Options:
    """The flags' values as `Options`.

    Raises:
        click.BadParameter: a value that is not of its form.
    """
    since_us, until_us = window(values)
    return Options(
        select=_listed(values["select"]),
        ignore=_listed(values["ignore"]),
        sandbox=values["sandbox"],
        docker_image=values["docker_image"],
        table_rows=_table_rows(values["table_rows"]),
        since_us=since_us,
        until_us=until_us,
        min_calls=values["min_calls"],
        min_time_ms=values["min_time"],
        min_coverage=values["min_coverage"] / 100,
        max_instances=values["max_instances"],
        time_limit_s=values["time_limit"],
        prefix=values["prefix"],
        jobs=values["jobs"],
    )


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _table_rows(text: str) -> dict[str, int]:
    rows = {}
    for part in _listed(text):
        name, separator, number = part.rpartition("=")
        digits = number.strip().replace("_", "")
        if not separator or not name.strip() or not digits.isdecimal():
            raise click.BadParameter(f"{part!r} is not of the form orders=2000000", param_hint="--table-rows")
        rows[name.strip()] = int(digits)
    return rows


def window(values: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """--since and --until, microseconds since the epoch.

    Raises:
        click.BadParameter: one is no time, or they are the wrong way round.
    """
    since_us, until_us = instant(values["since"], "--since"), instant(values["until"], "--until")
    if since_us is not None and until_us is not None and since_us > until_us:
        raise click.BadParameter("it is later than --until", param_hint="--since")
    return since_us, until_us


def instant(text: str | None, flag: str) -> int | None:
    """A time as microseconds since the epoch; without a zone it is UTC.

    Raises:
        click.BadParameter: it is none.
    """
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        hint = f"{text!r} is not an ISO 8601 time such as 2026-03-01T12:00:00Z"
        raise click.BadParameter(hint, param_hint=flag) from None
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1_000_000)
