"""`advisor doctor`: what is missing for good advice, and how to get it."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from advisor.cli.lines import labelled
from advisor.cli.options import option
from advisor.cli.sandbox import provider_lines, providers_document
from advisor.report.printable import printable

if TYPE_CHECKING:
    from advisor.doctor.check import Check
    from advisor.doctor.examine import Examination

_LABEL = len("missing")


@click.command("doctor")
@click.argument("log", required=False, metavar="[LOG]")
@option("--dsn", metavar="URL", help="The database; it is only read.")
@option("--prefix", metavar="P", help="The log's log_line_prefix, where it is not found out.")
@click.option("--format", "kind", type=click.Choice(["text", "json"]), default="text", help="Default text.")
def command(log: str | None, dsn: str | None, prefix: str | None, kind: str) -> int:
    """Say what is missing for good advice.

    Looks at the throwaway servers on this machine; at the privileges,
    extensions and log settings of the database that --dsn names; and at what
    LOG holds. Prints what each gap costs and the statements that close it,
    for you to run.
    """
    from advisor.api import URL_SCHEMES
    from advisor.doctor.examine import examine

    if log is not None and dsn is None and log.startswith(URL_SCHEMES):
        dsn, log = log, None
    found = examine(dsn, log, prefix=prefix)
    if kind == "json":
        from advisor.cli.document import write_document

        write_document({"command": "doctor", **_document(found)})
    else:
        for line in _lines(found):
            click.echo(printable(line))
    return 0


def _lines(found: "Examination") -> Iterator[str]:
    if found.server is not None:
        server = found.server
        yield f"PostgreSQL {server.version}, database {server.database}, as {server.role}"
        yield ""
    for section in found.sections:
        yield f"{section.title}:"
        for check in section.checks:
            yield from _check_lines(check)
        yield ""
    if found.grants:
        yield "The smallest script that grants what is missing; run it as a superuser:"
        # Without its comments: the line above says the same.
        yield from (f"  {line}" for line in found.grants.splitlines() if line and not line.startswith("--"))
        yield ""
    needs = {check.needs for section in found.sections for check in section.checks if check.fix}
    if needs & {"reload", "restart"}:
        yield "ALTER SYSTEM is for a superuser (on a hosted service: its parameter group)."
        if "reload" in needs:
            yield "After the last one: SELECT pg_reload_conf();"
        yield ""
    yield from provider_lines(found.providers)


def _check_lines(check: "Check") -> Iterator[str]:
    yield from labelled(check.status, f"{check.name}: {check.found}", label_width=_LABEL)
    if check.cost is not None:
        yield from labelled("", check.cost, label_width=_LABEL)
    for number, statement in enumerate(check.fix, start=1):
        restart = "  -- needs a restart" if check.needs == "restart" and number == 1 else ""
        # Not wrapped: it is there to be copied.
        yield " " * (_LABEL + 6) + statement + restart


def _document(found: "Examination") -> dict[str, Any]:
    server = found.server
    return {
        "server": None
        if server is None
        else {"version": server.version, "database": server.database, "role": server.role},
        "sections": [asdict(section) for section in found.sections],
        "grants": found.grants.splitlines(),
        **providers_document(found.providers),
    }
