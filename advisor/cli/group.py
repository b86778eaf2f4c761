"""The `advisor` command as a group of commands."""

import click

from advisor.cli import analyze, check, demo, diff, digest, doctor, explain, merge, rules, sandbox, snapshot, twin
from advisor.cli.config import configured
from advisor.version import version


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80})
@click.version_option(version(), prog_name="advisor")
@click.pass_context
def cli(context: click.Context) -> None:
    """Finds what makes PostgreSQL slow, says what to change, and proves it.

    Give `analyze` a log, a plan, SQL or a database; give `check` migrations.
    Nothing is ever changed on your database: advice is tried on a throwaway
    PostgreSQL, and what was not tried says so.
    """
    context.default_map = configured(cli)


_COMMANDS = (
    analyze.command,
    check.command,
    digest.command,
    merge.command,
    diff.command,
    snapshot.command,
    twin.command,
    sandbox.command,
    doctor.command,
    demo.command,
    explain.command,
    rules.command,
)

for _command in _COMMANDS:
    cli.add_command(_command)
