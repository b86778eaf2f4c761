"""What the advice is for: a live database, a schema file or nothing, and the throwaway server that stands in for it."""

from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

from advisor.catalog.connect import connect
from advisor.catalog.read import read_catalog
from advisor.errors import UsageError
from advisor.model.catalog import Catalog
from advisor.model.evidence import Evidence
from advisor.model.options import Options
from advisor.sandbox.load import load_schema
from advisor.sandbox.open import open_sandbox
from advisor.sandbox.server import Sandbox
from advisor.validate.lab import ROW_BUDGET, Lab, open_lab, sandbox_use, scale_notice
from advisor.validate.state import RunState


@dataclass(frozen=True, slots=True)
class Target:
    """The database or schema file, and the throwaway server, which is opened at most once and closed with the stack."""

    stack: ExitStack
    dsn: str | None
    schema: str | None
    options: Options
    _opened: list[Sandbox] = field(default_factory=list)

    def catalog(self, state: RunState) -> Catalog | None:
        """The catalog of the database, or of the schema file loaded into the throwaway server."""
        if self.dsn is not None:
            with closing(connect(self.dsn)) as connection:
                return read_catalog(connection)
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

    def empty_catalog(self) -> Catalog:
        """The catalog of a database in which nothing was created yet."""
        sandbox = self.sandbox(None)
        sandbox.create_database("schema")
        with sandbox.connect("schema") as connection:
            return read_catalog(connection)

    def sandbox(self, catalog: Catalog | None) -> Sandbox:
        """The throwaway server, of the target's major version where there is one at hand."""
        if not self._opened:
            target = catalog if self.dsn is not None else None
            opened = open_sandbox(
                self.options.sandbox,
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
        state.add(sandboxes=(sandbox_use(lab, catalog.server_version_num if self.dsn else None),))
        return lab
