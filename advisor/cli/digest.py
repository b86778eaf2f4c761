"""`advisor digest`: what logs hold, in one file."""

from typing import Any

import click

from advisor.cli.digest_summary import write_digest
from advisor.cli.options import option, window
from advisor.cli.progress import progress
from advisor.model.options import Options


@click.command("digest")
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option("-o", "--output", metavar="FILE", help="The file to write; for its owner's eyes only. -: stdout.")
@click.option("--redact", is_flag=True, help="Keep no literals.")
@click.option("--fresh", is_flag=True, help="Make FILE anew, whatever it holds.")
@option("--since", metavar="TIME", help="Leave out what is earlier (ISO 8601; UTC without a zone).")
@option("--until", metavar="TIME", help="Leave out what is later.")
@option("--min-coverage", type=click.IntRange(0, 100), metavar="PERCENT", default=90, help="Of a log to understand.")
@option("--prefix", metavar="P", help="The logs' log_line_prefix, where it is not found out.")
@option("--jobs", type=click.IntRange(1), metavar="N", default=1, help="Processes that read.")
@option("-q", "--quiet", is_flag=True, help="No summary, no notices and no progress on stderr.")
def command(inputs: tuple[str, ...], output: str | None, redact: bool, fresh: bool, quiet: bool, **values: Any) -> int:
    """Keep what logs hold in one small file.

    INPUT is what analyze takes; FILE is an INPUT of every command then, like
    the logs. It holds each query's calls, times and samples, what ran in one
    unit of work, plans and the server's events. Its first line says what is
    inside: head -1 FILE.

    Run it again as the logs grow, are rotated or compressed: logs are known by
    their content, only what is new is read and added to FILE. For that one of
    the INPUTs must be a log that FILE has counted, or be called like one but
    for digits (postgresql-2026-03-05.log). A FILE of other logs is left as it
    is, unless it is an INPUT, too (what is new is added) or with --fresh. What
    --since and --until leave out is not come back to.

    With --redact there are no literals in FILE, and never will be: no samples,
    no plans. What is open where a log ends is closed, so that units of work
    that go on in the next one count as two, and a line that is not finished
    waits for the next run.
    """
    from advisor.api import digest

    since_us, until_us = window(values)
    options = Options(
        since_us=since_us,
        until_us=until_us,
        min_coverage=values["min_coverage"] / 100,
        prefix=values["prefix"],
        jobs=values["jobs"],
    )
    with write_digest(output, quiet) as written:
        with progress(quiet) as shown:
            into = output if output != "-" else None
            found = digest(inputs, into=into, fresh=fresh, redact=redact, options=options, progress=shown)
        written(found)
    return 0
