"""`advisor twin`: production's planner, without production's data, for psql."""

import select
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import click

from advisor.cli.lines import wrapped
from advisor.cli.options import option
from advisor.cli.progress import progress
from advisor.errors import SandboxError
from advisor.model.options import Options

if TYPE_CHECKING:
    from advisor.sandbox.twin.open import Twin

_CARE = (
    "Only EXPLAIN there: it takes no CREATE INDEX, ANALYZE or VACUUM, after which a table would have the size of an "
    "empty one. Ctrl-C ends it."
)


@click.command("twin")
@option("--snapshot", metavar="FILE", type=click.Path(), help="What advisor snapshot wrote.")
@option("--dsn", metavar="URL", help="The database; it is only read.")
@option("--sandbox", default="auto", metavar="WHERE", help="auto, embedded, local or docker.")
@option("--docker-image", metavar="IMAGE", help="The image for a server in Docker.")
@option("--no-probes", is_flag=True, help="Do not ask the database's indexes for their ends.")
@click.option("-q", "--quiet", is_flag=True, help="Nothing but the URL.")
def command(
    snapshot: str | None, dsn: str | None, sandbox: str, docker_image: str | None, no_probes: bool, quiet: bool
) -> int:
    """Open a database without rows that plans like yours.

    Prints its URL as the first line and stays until Ctrl-C. EXPLAIN there
    answers as the database itself would; its tables are empty, so EXPLAIN
    ANALYZE tells nothing. CREATE INDEX, ANALYZE and VACUUM are not allowed:
    they would put the sizes of empty tables in place of your own. analyze
    tells what an index would do.
    """
    from advisor.api import twin

    options = Options(sandbox=sandbox, docker_image=docker_image)
    with ExitStack() as stack:
        with progress(quiet) as shown:
            opened, notes = stack.enter_context(
                twin(dsn=dsn, snapshot=snapshot, probes=not no_probes, options=options, progress=shown)
            )
        connection = stack.enter_context(closing(opened.connect()))
        click.echo(opened.url)
        for text in () if quiet else (*(note.message for note in notes), _head(opened), _CARE):
            for line in wrapped(text, margin="  "):
                click.echo(line, err=True)
        # On an idle connection the server has nothing to say, until it goes away.
        select.select([connection.fileno()], [], [])
    raise SandboxError("The twin's server has stopped.", hint="Run the command again.")


def _head(opened: "Twin") -> str:
    catalog, sandbox = opened.catalog, opened.sandbox
    server = f"{sandbox.provider} PostgreSQL {sandbox.server_version}"
    return f"Plans like {catalog.database} on PostgreSQL {catalog.server_version}; this is {server}, without rows."
