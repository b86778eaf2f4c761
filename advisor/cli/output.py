"""A report to where the user wants it, and the exit code it stands for."""

import os
import stat
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from advisor.errors import UsageError
from advisor.model.advice import Severity
from advisor.model.options import FailOn
from advisor.model.report import Report
from advisor.version import version

_SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Where the report goes: (format, file) pairs, a file of None being stdout."""

    pairs: Sequence[tuple[str, str | None]]
    top: int | None = None
    color: str = "auto"

    def __post_init__(self) -> None:
        for _, name in self.pairs:
            if name is not None:
                _refuse_unwritable(Path(name))

    def write(self, report: Report) -> None:
        """Renders every format; files are replaced as a whole or not at all."""
        for kind, name in self.pairs:
            if name is not None:
                write_file(Path(name), render(report, kind, self.top))
            elif kind == "text":
                click.echo(render(report, kind, self.top, self._colour(), _width()), nl=False, color=True)
            else:
                # As bytes: these formats are UTF-8, whatever the terminal's own encoding is.
                click.echo(render(report, kind).encode(), nl=False)

    def _colour(self) -> bool:
        if self.color == "auto":
            return sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        return self.color == "always"


def render(report: Report, kind: str, top: int | None = None, colour: bool = False, width: int | None = None) -> str:
    """The report in one format."""
    if kind == "json":
        from advisor.report import json_format

        return json_format.render(report, version())
    if kind == "github":
        from advisor.report import github

        return github.render(report)
    from advisor.report import text

    return text.render(report, top=top, colour=colour, width=width)


def exit_code(report: Report, fail_on: FailOn) -> int:
    """2 where the job could not be done (an error diagnostic), 1 for findings at or over `fail_on`, else 0."""
    if any(d.level == "error" for d in report.diagnostics) or any(m.error for m in report.migrations):
        return 2
    if fail_on == "never":
        return 0
    counted = _SEVERITIES[: _SEVERITIES.index(fail_on) + 1]
    return int(any(f.severity in counted and f.suppressed is None and f.refuted_by is None for f in report.findings))


def _width() -> int | None:
    """Columns of the terminal within reason; None for a pipe."""
    if not sys.stdout.isatty():
        return None
    return max(min(os.get_terminal_size(sys.stdout.fileno()).columns or 80, 120), 40)


def _refuse_unwritable(path: Path) -> None:
    folder = path.absolute().parent
    if not folder.is_dir():
        raise UsageError(f"cannot write {path}", why=f"{folder} is not a folder", hint="Make it first.")
    if path.is_dir():
        raise UsageError(f"cannot write {path}", why="it is a folder", hint="Give a file in it.")
    if not os.access(folder if not path.exists() or _is_regular(path) else path, os.W_OK):
        raise UsageError(f"cannot write {path}", why="permission denied", hint="Give another file to -o.")


def _is_regular(path: Path) -> bool:
    return stat.S_ISREG(path.stat().st_mode)


def write_file(path: Path, text: str) -> None:
    """Writes the file as a whole or not at all.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        if path.exists() and not _is_regular(path):
            # A device or a pipe: there is nothing to replace.
            path.write_text(text, encoding="utf-8", errors="replace")
        else:
            _replace(path.resolve(), text)
    except OSError as error:
        raise UsageError(f"cannot write {path}", why=error.strerror or str(error)) from None


def _replace(path: Path, text: str) -> None:
    if path.exists():
        mode = stat.S_IMODE(path.stat().st_mode)
    else:
        mask = os.umask(0)
        os.umask(mask)
        mode = 0o666 & ~mask
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
