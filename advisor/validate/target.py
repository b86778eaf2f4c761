"""What the advice is for: a live database, a snapshot, a schema file or nothing, and the throwaway server for it."""

from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from advisor.catalog.connect import connect
from advisor.catalog.end_points import end_points
from advisor.catalog.read import read_catalog
from advisor.catalog.reveal import revealed
from advisor.catalog.shareable import cost_of_privacy
from advisor.catalog.snapshot import age_warning
from advisor.errors import SandboxError, UsageError
from advisor.model.catalog import Catalog
from advisor.model.evidence import Evidence
from advisor.model.instants import instant_text
from advisor.model.options import Options
from advisor.model.report import SandboxUse
from advisor.model.snapshot import Snapshot
from advisor.model.workload import Workload
from advisor.sandbox.open import open_sandbox
from advisor.sandbox.schema.load import load_schema
from advisor.sandbox.server import Sandbox
from advisor.sandbox.twin.open import Twin, open_twin
from advisor.validate.lab import ROW_BUDGET, Lab, open_lab, scale_notice
from advisor.validate.state import RunState

TWIN_ID = "S2"
"""The planner twin's name in the report: a database of the same server as the rows', used otherwise."""


@dataclass(frozen=True, slots=True)
class Target:
    """At most one of database, schema file and snapshot, and the throwaway server.

    The server is opened at most once and closed with the stack.
    """

    stack: ExitStack
    options: Options
    dsn: str | None = None
    schema: str | None = None
    snapshot: Snapshot | None = None
    _opened: list[Sandbox] = field(default_factory=list)

    @property
    def is_server(self) -> bool:
        """Whether there is a server behind the catalog, of which the version and the settings are known."""
        return self.dsn is not None or self.snapshot is not None

    def catalog(self, state: RunState, workload: Workload, *, ends: bool = False) -> Catalog | None:
        """The catalog of the database, of the snapshot, or of the schema file loaded into the throwaway server.

        With `ends` a database's indexes are asked for the real ends of their columns; a snapshot has what it has.
        Hashes in a snapshot that stand for the workload's own literals give way to these.
        """
        if self.snapshot is not None:
            return self._of_snapshot(self.snapshot, workload, state)
        if self.dsn is not None:
            with closing(connect(self.dsn)) as connection:
                catalog = read_catalog(connection)
                return end_points(connection, catalog) if ends else catalog
        if self.schema is None:
            return None
        if self.options.sandbox == "off":
            raise UsageError(
                "--schema needs a throwaway server to be read",
                why="it is loaded, not parsed",
                hint="Drop --sandbox off.",
            )
        sandbox = self.sandbox(None)
        sandbox.create_database("schema")
        state.diagnose("warning", load_schema(sandbox, Path(self.schema), database="schema"))
        with sandbox.connect("schema") as connection:
            return read_catalog(connection)

    def _of_snapshot(self, snapshot: Snapshot, workload: Workload, state: RunState) -> Catalog:
        catalog = snapshot.catalog
        taken = f"of {catalog.database}, taken {instant_text(snapshot.taken_us)}"
        notes = (f"Judged by a snapshot {taken}, of PostgreSQL {catalog.server_version}.", cost_of_privacy(snapshot))
        state.diagnose("info", [note for note in notes if note])
        old = age_warning(snapshot)
        state.diagnose("warning", [old] if old else [])
        return revealed(catalog, snapshot.key, workload) if snapshot.key is not None else catalog

    def empty_catalog(self) -> Catalog:
        """The catalog of a database in which nothing was created yet."""
        sandbox = self.sandbox(None)
        sandbox.create_database("schema")
        with sandbox.connect("schema") as connection:
            return read_catalog(connection)

    def sandbox(self, catalog: Catalog | None) -> Sandbox:
        """The throwaway server, of the target's major version where there is one at hand."""
        if not self._opened:
            target = catalog if self.is_server else None
            opened = open_sandbox(
                self.options.sandbox,
                docker_image=self.options.docker_image,
                target_major=target.server_version_num // 10000 if target else None,
                target_system_identifier=target.system_identifier if target else None,
            )
            self._opened.append(self.stack.enter_context(opened))
        return self._opened[0]

    def lab(self, state: RunState, evidence: Evidence, row_budget: int = ROW_BUDGET) -> Lab | None:
        """A filled database to try advice on; None where none is wanted or there is no schema to build."""
        catalog = evidence.catalog
        if catalog is None or self.options.sandbox == "off":
            return None
        sandbox = self.sandbox(catalog)
        schema = Path(self.schema) if self.schema else None
        lab = open_lab(sandbox, catalog, evidence.profile, schema=schema, row_budget=row_budget)
        state.diagnose("warning", lab.warnings)
        notices = (sandbox.notice, scale_notice(lab) if row_budget == ROW_BUDGET else None)
        state.diagnose("info", [notice for notice in notices if notice])
        self._report(state, catalog, id=sandbox.id, use="rows", rows="synthesised")
        return lab

    def twin(self, state: RunState, catalog: Catalog | None) -> Twin | None:
        """The planner twin of the server behind the catalog; None, and says why, where there can be none."""
        if catalog is None or not self.is_server or self.options.sandbox == "off":
            return None
        try:
            sandbox = self.sandbox(catalog)
        except SandboxError as error:
            # Where advice wants to be tried, it is asked for again and says so itself.
            state.diagnose("warning", [f"Production's planner was not asked: {error.what} {error.why}"])
            return None
        if not sandbox.has_files:
            why = "its files are out of reach of a given server"
            state.diagnose(
                "info", [f"Production's planner was not asked: a planner twin needs a server's files; {why}."]
            )
            return None
        try:
            twin = open_twin(sandbox, catalog)
        except SandboxError as error:
            state.diagnose("warning", [f"Production's planner was not asked: {error.what} {error.why}"])
            return None
        state.diagnose("warning", twin.warnings)
        state.diagnose("info", [sandbox.notice] if sandbox.notice else [])
        self._report(state, catalog, id=TWIN_ID, use="twin", rows="none")
        return twin

    def _report(
        self,
        state: RunState,
        catalog: Catalog,
        *,
        id: str,  # noqa: A002 the report's word
        use: Literal["twin", "rows"],
        rows: Literal["none", "synthesised"],
    ) -> None:
        """Names the server in the report."""
        sandbox = self.sandbox(catalog)
        same = catalog.server_version_num // 10000 == sandbox.server_version_num // 10000 if self.is_server else None
        state.add_sandbox(
            SandboxUse(
                id=id,
                provider=sandbox.provider,
                server_version=sandbox.server_version,
                same_major_as_target=same,
                use=use,
                rows=rows,
            )
        )
