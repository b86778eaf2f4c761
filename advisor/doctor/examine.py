"""The whole examination: of this machine, of a server and of a log."""

from collections.abc import Callable
from dataclasses import dataclass

import psycopg

from advisor.catalog.connect import connect, connection_lost
from advisor.catalog.privileges import grant_script, read_privileges
from advisor.doctor.check import Check, Status
from advisor.doctor.log import judge_log
from advisor.doctor.log_settings import judge_settings
from advisor.doctor.server import ServerFacts, judge_sandboxes, judge_statements, read_server
from advisor.model.options import Options
from advisor.model.snapshot import Privilege
from advisor.sandbox.programs.at_hand import Provider, providers
from advisor.workload.read import read_workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Answers that belong together."""

    title: str
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What was found.

    Attributes:
        server: None where no database was named.
        grants: the smallest script of GRANT statements; empty where nothing is lacking or no database was named.
    """

    providers: tuple[Provider, ...]
    sections: tuple[Section, ...] = ()
    server: ServerFacts | None = None
    grants: str = ""


def examine(
    dsn: str | None = None,
    log: str | None = None,
    *,
    prefix: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Examination:
    """Looks at this machine, at a database where one is named (only reading), and at a log where one is.

    Raises ConnectionFailed, and InputError for a log that cannot be read.
    """
    there = tuple(providers())
    sections: list[Section] = []
    server, grants = None, ""
    if dsn is not None:
        server, grants, found = _server(dsn, there)
        sections += found
    if log is not None:
        workload = read_workload([log], Options(prefix=prefix), progress)
        sections.append(Section(title="The log", checks=tuple(judge_log(workload))))
    return Examination(providers=there, sections=tuple(sections), server=server, grants=grants)


def _server(dsn: str, there: tuple[Provider, ...]) -> tuple[ServerFacts, str, list[Section]]:
    with connect(dsn) as connection:
        try:
            connection.execute("SELECT pg_catalog.set_config('search_path', 'pg_catalog', true)")
            facts = read_server(connection)
        except psycopg.Error as error:
            raise connection_lost(error) from None
        privileges = read_privileges(connection)
    sections = [
        Section(title="Privileges", checks=tuple(map(_privilege, privileges))),
        Section(title="Statistics of statements", checks=(judge_statements(facts),)),
        Section(title="Log settings", checks=tuple(judge_settings(facts.settings, facts.version_num))),
        Section(title="A throwaway server like this one", checks=tuple(judge_sandboxes(facts, there))),
    ]
    grantable = [privilege for privilege in privileges if privilege.held or privilege.grant]
    return facts, grant_script(grantable, facts.role), sections


def _privilege(privilege: Privilege) -> Check:
    """What no GRANT gives is a nicety, not a gap."""
    lacking: Status = "missing" if privilege.grant else "weak"
    return Check(
        name=privilege.name,
        status="good" if privilege.held else lacking,
        found=privilege.gives if privilege.held else f"not held; it gives {privilege.gives}",
        cost=None if privilege.held else privilege.lacking,
    )
