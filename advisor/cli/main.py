"""The `advisor` command: one group, and the one place where errors become exit codes.

0 done; 1 findings at or over --fail-on; 2 the job could not be done; 130 Ctrl-C; 143 SIGTERM.
"""

import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

import click

from advisor.cli import analyze, check, demo, explain, rules
from advisor.cli.config import configured
from advisor.errors import AdvisorError
from advisor.version import version


class Terminated(KeyboardInterrupt):
    """SIGTERM, unwinding like Ctrl-C so that servers and folders are cleared away."""


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


for _command in (analyze.command, check.command, demo.command, explain.command, rules.command):
    cli.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line and exits with its code; no error of a user's making shows a traceback."""
    signal.signal(signal.SIGTERM, _terminate)
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """The command line's exit code."""
    try:
        result = cli.main(args=arguments, prog_name="advisor", standalone_mode=False)
        code = result if isinstance(result, int) else 0
        sys.stdout.flush()
        return code
    except click.exceptions.Abort:
        return _stopped(KeyboardInterrupt())
    except KeyboardInterrupt as stop:
        return _stopped(stop)
    except click.ClickException as error:
        error.show(sys.stderr)
        return 2
    except AdvisorError as error:
        _say(error)
        return 2
    except BrokenPipeError:
        # The reader of our output went away (`| head`): nobody is left to tell, and Python must not try at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 2
    except Exception as error:
        if os.environ.get("ADVISOR_TRACEBACK"):
            raise
        name = type(error).__name__
        _say(
            AdvisorError(
                f"this is a defect of advisor: {name}: {error}",
                hint="Run it again with ADVISOR_TRACEBACK=1 and report what it prints.",
            )
        )
        return 2


def _stopped(stop: KeyboardInterrupt) -> int:
    click.echo("stopped", err=True)
    return 143 if isinstance(stop, Terminated) else 130


def _say(error: AdvisorError) -> None:
    click.echo(f"error: {error.what}", err=True)
    for line in (error.why, error.hint):
        if line:
            click.echo(f"  {line}", err=True)


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise Terminated
