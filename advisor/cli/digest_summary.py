"""A digest to where the user wants it, and what it holds in a few lines for a terminal of 80 columns."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from advisor.cli.lines import labelled
from advisor.errors import UsageError
from advisor.model.digest_file import DigestFile
from advisor.model.instants import instant_text
from advisor.report.printable import printable
from advisor.report.units import bytes_text, count_text, share_text

_LABEL = len("understood")


@contextmanager
def write_digest(output: str | None, quiet: bool) -> Iterator[Callable[[DigestFile], None]]:
    """What to call with the digest: it writes the file as a whole or not at all, and says on stderr what is in it.

    Raises:
        UsageError: before anything is read, where it cannot be written.
    """
    from advisor.catalog.snapshot import new_file

    if output is None:
        raise UsageError("a digest needs a file", hint="Give -o FILE; -o - writes it to stdout, for a pipe.")
    if output == "-":
        if sys.stdout.isatty():
            raise UsageError("a digest does not go to a terminal", why="It is compressed.", hint="Give -o FILE.")

        def write(found: DigestFile) -> None:
            click.echo(found.data, nl=False)
            _say(found, "standard output", quiet)

        yield write
        return
    with new_file(Path(output)) as file:

        def write_file(found: DigestFile) -> None:
            file.write(found.data)
            _say(found, output, quiet)

        yield write_file


def _say(found: DigestFile, output: str, quiet: bool) -> None:
    if not quiet:
        for line in summary_lines(found, output):
            click.echo(line, err=True)


def summary_lines(found: DigestFile, output: str) -> Iterator[str]:
    """What is inside, what was added, and what to know."""
    yield printable(f"{output}: {bytes_text(len(found.data))}")
    for label, text in _rows(found):
        yield from labelled(label, text, label_width=_LABEL)


def _rows(found: DigestFile) -> Iterator[tuple[str, str]]:
    workload, coverage = found.workload, found.workload.coverage
    statements = count_text(coverage.statements, "statement")
    yield "holds", f"{statements} of {count_text(len(workload.queries), 'query', 'queries')}"
    if workload.from_us is not None:
        yield "time", f"{instant_text(workload.from_us)} to {instant_text(workload.to_us)}"
    if coverage.bytes_total:
        share = share_text(coverage.bytes_classified / coverage.bytes_total)
        yield "understood", f"{share} of {bytes_text(coverage.bytes_total)}"
    yield "literals", "none" if found.redacted else "samples, plans and bind values: only its owner can read the file"
    for source in found.added:
        yield "added", f"{source.name}: {bytes_text(source.bytes)}, read as {source.format}"
    for name, known in found.known_bytes.items():
        yield "known", f"{name}: {bytes_text(known)} were there already"
    for note in found.notes:
        yield "note", note
