"""`advisor check`: migrations in, hazards out."""

from typing import Any

import click

from advisor.cli.options import option, read_options, shared_options
from advisor.cli.pairs import PairedCommand
from advisor.cli.run import run_and_write


@click.command("check", cls=PairedCommand)
@click.argument("migrations", nargs=-1, required=True, metavar="MIGRATION...")
@option("--dsn", metavar="URL", help="The database the migrations are for; it is only read.")
@option("--schema", metavar="FILE", type=click.Path(), help="The schema before the migrations, as SQL.")
@option("--snapshot", metavar="FILE", type=click.Path(), help="In the database's place: what advisor snapshot wrote.")
@option("--workload", metavar="INPUT", multiple=True, help="A log or .sql file whose queries must not suffer.")
@shared_options(default_fail_on="error")
def command(
    migrations: tuple[str, ...],
    dsn: str | None,
    schema: str | None,
    snapshot: str | None,
    workload: tuple[str, ...],
    **values: Any,
) -> int:
    """Run migrations on a throwaway server and judge what they do.

    MIGRATION is a .sql file or a folder of them, run in order of their names.
    Every statement's locks, rewrites and scans are traced, and the workload is
    planned before and after.
    """
    from advisor.api import check

    options = read_options(values)
    return run_and_write(
        lambda shown: check(
            migrations,
            dsn=dsn,
            schema=schema,
            snapshot=snapshot,
            workload=workload,
            options=options,
            progress=shown,
        ),
        values,
    )
