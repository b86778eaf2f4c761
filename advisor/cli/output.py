"""A report to where the user wants it, and the exit code it stands for."""

import os
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
    """Where the report goes: the n-th format into the n-th file, the format without a file to stdout."""

    formats: Sequence[str]
    files: Sequence[str]
    top: int | None = None
    color: str = "auto"

    def __post_init__(self) -> None:
        formats = self.formats or ("text",)
        if len(self.files) > len(formats):
            raise UsageError("more -o FILE than --format", hint="Give a --format for each -o.")
        if len(formats) - len(self.files) > 1:
            raise UsageError("only one format can go to stdout", hint="Give an -o FILE for each of the others.")
        for name in self.files:
            if not Path(name).absolute().parent.is_dir():
                raise UsageError(f"cannot write {name}", why=f"{Path(name).absolute().parent} is not a folder")

    def write(self, report: Report) -> None:
        """Renders every format; files are replaced as a whole or not at all."""
        formats = self.formats or ("text",)
        for position, kind in enumerate(formats):
            if position < len(self.files):
                _write_atomically(Path(self.files[position]), render(report, kind, self.top))
            else:
                colour = kind == "text" and self._colour()
                click.echo(render(report, kind, self.top, colour), nl=False, color=True)

    def _colour(self) -> bool:
        if self.color == "auto":
            return sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        return self.color == "always"


def render(report: Report, kind: str, top: int | None = None, colour: bool = False) -> str:
    """The report in one format."""
    if kind == "json":
        from advisor.report import json_format

        return json_format.render(report, version())
    if kind == "github":
        from advisor.report import github

        return github.render(report)
    from advisor.report import text

    width = None
    if sys.stdout.isatty():
        width = max(min(os.get_terminal_size(sys.stdout.fileno()).columns, 120), 40)
    return text.render(report, top=top, colour=colour, width=width)


def exit_code(report: Report, fail_on: FailOn) -> int:
    """2 where the job could not be done (an error diagnostic), 1 for findings at or over `fail_on`, else 0."""
    if any(d.level == "error" for d in report.diagnostics) or any(m.error for m in report.migrations):
        return 2
    if fail_on == "never":
        return 0
    counted = _SEVERITIES[: _SEVERITIES.index(fail_on) + 1]
    return int(any(f.severity in counted and not f.suppressed and not f.refuted_by for f in report.findings))


def _write_atomically(path: Path, text: str) -> None:
    try:
        handle, name = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            mask = os.umask(0)
            os.umask(mask)
            Path(name).chmod(0o666 & ~mask)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UsageError(f"cannot write {path}", why=error.strerror or str(error)) from None
