"""`advisor merge`: several digests as one."""

import click

from advisor.cli.digest_summary import write_digest
from advisor.cli.options import option
from advisor.cli.progress import progress


@click.command("merge")
@click.argument("inputs", nargs=-1, required=True, metavar="DIGEST...")
@click.option("-o", "--output", metavar="FILE", help="The file to write; for its owner's eyes only. -: stdout.")
@click.option("--redact", is_flag=True, help="Keep no literals.")
@option("-q", "--quiet", is_flag=True, help="No summary, no notices and no progress on stderr.")
def command(inputs: tuple[str, ...], output: str | None, redact: bool, quiet: bool) -> int:
    """Add up digests: of several servers, or of one log in pieces.

    The order does not matter; FILE is what advisor digest makes of all their
    logs. It may be one of the DIGESTs.
    """
    from advisor.api import merge

    with write_digest(output, quiet) as written:
        with progress(quiet) as shown:
            found = merge(inputs, redact=redact, progress=shown)
        written(found)
    return 0
