"""What a snapshot holds, in a few lines for a terminal of 80 columns."""

from collections.abc import Iterator, Sequence

from advisor.catalog.privileges import grant_script
from advisor.catalog.snapshot import CONTENT, LEFT_OUT, SCHEMA_LITERALS, head
from advisor.cli.lines import labelled, wrapped
from advisor.model.snapshot import Snapshot
from advisor.report.printable import printable
from advisor.report.units import bytes_text, count_text

_LABEL = len("end points")


def summary_lines(snapshot: Snapshot, output: str, size_bytes: int, notes: Sequence[str]) -> Iterator[str]:
    """What is inside, what is not, and what a missing privilege costs, with the script that grants it."""
    said = head(snapshot)
    yield printable(f"{output}: {bytes_text(size_bytes)}, {said['taken_at']}")
    yield ""
    for label, text in _rows(snapshot, said):
        yield from labelled(label, text, label_width=_LABEL)
    for note in notes:
        yield from labelled("note", note, label_width=_LABEL)
    yield from _lacking(snapshot)


def _lacking(snapshot: Snapshot) -> Iterator[str]:
    lacking = [privilege for privilege in snapshot.privileges if not privilege.held]
    if lacking:
        yield ""
        yield "This role lacks:"
    for privilege in lacking:
        yield from wrapped(privilege.name, first="  ", margin="  ")
        yield from wrapped(privilege.lacking, first="    -> ", margin="       ")
    script = grant_script(snapshot.privileges, snapshot.role or "the role")
    statements = [line for line in script.split("\n") if line and not line.startswith("--")]
    if statements:
        yield ""
        yield "The smallest script that grants it; run it as a superuser:"
        # Not wrapped: it is there to be copied.
        yield from (printable(f"  {line}") for line in statements)


def _rows(snapshot: Snapshot, said: dict[str, object]) -> Iterator[tuple[str, str]]:
    catalog = snapshot.catalog
    statements = "none" if snapshot.statements is None else count_text(len(snapshot.statements), "statement")
    yield "database", f"{catalog.database}, PostgreSQL {catalog.server_version}"
    with_statistics = f"statistics of {said['columns_with_statistics']} of {said['columns']} columns"
    yield "schema", f"{said['tables']} tables and views, {said['indexes']} indexes; {with_statistics}"
    yield "end points", f"of {said['indexes_with_end_points']} indexes"
    yield "workload", statements
    yield "values", f"{CONTENT[snapshot.values]}."
    yield "literals", f"{SCHEMA_LITERALS[snapshot.values]}."
    yield "left out", f"{LEFT_OUT}."
