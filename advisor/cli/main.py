"""The one place where errors become exit codes.

0 done; 1 findings at or over --fail-on; 2 the job could not be done; 130 Ctrl-C; 143 SIGTERM.

The commands are imported within `run`: a Ctrl-C while Python still loads them is an ordinary Ctrl-C, too.
"""

import io
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from advisor.errors import AdvisorError


class Stopped(KeyboardInterrupt):
    """Ctrl-C or SIGTERM, unwinding alike so that servers and folders are cleared away.

    A class of its own for Ctrl-C, too: Python ends with the signal instead of the exit code once a plain
    KeyboardInterrupt has passed through an `exec` of a text, and libraries do that when they are loaded
    (`run_eval_code_obj` in CPython's `pythonrun.c`).
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line and exits with its code; no error of a user's making shows a traceback."""
    signal.signal(signal.SIGTERM, _stop)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Else it is ignored, as in a shell's background job, and stays so.
        signal.signal(signal.SIGINT, _stop)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that does not know a character gets its number instead of an error.
            stream.reconfigure(errors="backslashreplace")
    try:
        code = run(arguments)
        # All is said and cleared away: a signal that comes now must not turn the code into its own.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    except KeyboardInterrupt as stop:
        code = _stopped(stop)
    sys.exit(code)


def run(arguments: Sequence[str] | None = None) -> int:
    """The command line's exit code."""
    try:
        return _dispatch(arguments)
    except KeyboardInterrupt as stop:
        return _stopped(stop)
    except AdvisorError as error:
        _say(error)
    except BrokenPipeError:
        _give_up_stdout()
    except OSError as error:
        _give_up_stdout()
        _say(AdvisorError("the system refused", why=str(error), hint="Check free space and permissions there."))
    except Exception as error:
        # Python wraps what stops the making of a class (`type_new_set_names` in typeobject.c).
        if isinstance(error.__cause__, KeyboardInterrupt):
            return _stopped(error.__cause__)
        if os.environ.get("ADVISOR_TRACEBACK"):
            raise
        what = f"this is a defect of advisor: {type(error).__name__}: {error}"
        _say(AdvisorError(what, hint="Run it again with ADVISOR_TRACEBACK=1 and report what it prints."))
    return 2


def _dispatch(arguments: Sequence[str] | None) -> int:
    import click

    from advisor.cli.group import cli

    try:
        result = cli.main(args=arguments, prog_name="advisor", standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
    except click.exceptions.Abort as abort:
        # click's own form of a KeyboardInterrupt, which it keeps as the cause.
        cause = abort.__cause__
        return _stopped(cause if isinstance(cause, KeyboardInterrupt) else KeyboardInterrupt())
    except click.ClickException as error:
        error.show(sys.stderr)
        return 2
    except SystemExit:
        # click's answer to a reader that went away (`| head`).
        _give_up_stdout()
        return 2
    return result if isinstance(result, int) else 0


def _give_up_stdout() -> None:
    """Nobody takes our output any more, and Python must not try again at its exit."""
    if sys.__stdout__ is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno())


def _stopped(stop: KeyboardInterrupt) -> int:
    print("stopped", file=sys.stderr)  # noqa: T201 - click may not be loaded yet
    return 128 + (stop.number if isinstance(stop, Stopped) else signal.SIGINT)


def _say(error: AdvisorError) -> None:
    from advisor.report.printable import printable

    text = "\n".join(part for part in (f"error: {error.what}", error.why, error.hint) if part)
    print(printable(text).replace("\n", "\n  "), file=sys.stderr)  # noqa: T201


def _stop(number: int, _frame: FrameType | None) -> None:
    raise Stopped(number)
