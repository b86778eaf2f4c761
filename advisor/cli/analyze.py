"""`advisor analyze`: a workload in, proven advice out."""

from typing import Any

import click

from advisor.cli.options import option, read_options, shared_options
from advisor.cli.pairs import PairedCommand
from advisor.cli.run import run_and_write


@click.command("analyze", cls=PairedCommand)
@click.argument("inputs", nargs=-1, metavar="[INPUT]...")
@option("--dsn", metavar="URL", help="The database: its catalog, and pg_stat_statements where no INPUT is given.")
@option("--schema", metavar="FILE", type=click.Path(), help="The schema as SQL, for instance pg_dump --schema-only.")
@option("--snapshot", metavar="FILE", type=click.Path(), help="In the database's place: what advisor snapshot wrote.")
@shared_options(default_fail_on="never")
def command(inputs: tuple[str, ...], dsn: str | None, schema: str | None, snapshot: str | None, **values: Any) -> int:
    """Judge a workload and prove what would make it faster.

    INPUT is a log (any format, wrapped or compressed), a digest, EXPLAIN output, a .sql
    file, a folder of these, - for stdin, a snapshot, or a database's URL.
    """
    from advisor.api import analyze

    options = read_options(values)
    return run_and_write(
        lambda shown: analyze(inputs, dsn=dsn, schema=schema, snapshot=snapshot, options=options, progress=shown),
        values,
    )
