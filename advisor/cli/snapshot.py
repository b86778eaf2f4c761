"""`advisor snapshot`: a database's schema, statistics, settings and workload in one file."""

from pathlib import Path

import click

from advisor.cli.options import option
from advisor.cli.progress import progress
from advisor.errors import UsageError
from advisor.model.snapshot import ValuesMode


@click.command("snapshot")
@option("--dsn", metavar="URL", required=True, help="The database; it is only read.")
@click.option("-o", "--output", metavar="FILE", required=True, help="The file to write; for its owner's eyes only.")
@click.option("--include-values", is_flag=True, help="Keep all sampled values, of text columns too.")
@click.option("--redact", is_flag=True, help="Keep no sampled values at all.")
@option("--no-probes", is_flag=True, help="Do not ask indexes for their least and greatest value.")
@option("--no-workload", is_flag=True, help="Do not keep pg_stat_statements.")
@click.option("-q", "--quiet", is_flag=True, help="No summary, no notices and no progress.")
def command(
    dsn: str,
    output: str,
    include_values: bool,
    redact: bool,
    no_probes: bool,
    no_workload: bool,
    quiet: bool,
) -> int:
    """Keep what the planner knows of a database in one file.

    The file holds the schema, sizes, statistics and settings, and what
    pg_stat_statements counted; analyze, check and twin take it in the
    database's place. Sampled values of columns that are not text and of text
    columns with few distinct values are in it, other texts as hashes. Its
    first line says what is inside: head -1 FILE.
    """
    from advisor.api import snapshot
    from advisor.catalog.snapshot import encode, new_file
    from advisor.cli.snapshot_summary import summary_lines

    values = _values(include_values, redact)
    if output == "-":
        why = "A snapshot holds samples of data: it gets a file that only its owner can read."
        raise UsageError("a snapshot does not go to stdout", why=why, hint="Give a file's name to -o.")
    notes: list[str] = []
    # Before the database is asked, so that nobody waits for a file that cannot be written.
    with new_file(Path(output)) as file:
        with progress(quiet) as shown:
            kept = snapshot(
                dsn, values=values, probes=not no_probes, workload=not no_workload, warn=notes.append, progress=shown
            )
        data = encode(kept)
        file.write(data)
    if not quiet:
        for line in summary_lines(kept, output, len(data), notes):
            click.echo(line)
    return 0


def _values(include_values: bool, redact: bool) -> ValuesMode:
    if include_values and redact:
        raise UsageError("--include-values and --redact exclude each other", why="one keeps all values, the other none")
    return "included" if include_values else "redacted" if redact else "default"
