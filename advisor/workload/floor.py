"""The least share of a log that must be understood: below it, what would be said of it is not to be relied on."""

from advisor.errors import InputError
from advisor.model.workload import Coverage

_SHOWN = 3
_CHARACTERS = 100
"""Classes of lines that are shown, and how much of each."""


def unknown_text(coverage: Coverage) -> str:
    """The commonest classes of lines that were not understood, with counts: `12 lines like 'x', 1 line like 'y'`."""
    shown = [
        f"{each.count:,} {'line' if each.count == 1 else 'lines'} like {each.sample[:_CHARACTERS]!r}"
        for each in coverage.unknown[:_SHOWN]
    ]
    rest = len(coverage.unknown) - _SHOWN
    return ", ".join(shown) + (f", and {rest} more kinds" if rest > 0 else "")


def share_text(coverage: Coverage) -> str:
    """The share of bytes that were understood, rounded down: 100 % is said only where it is."""
    total = coverage.bytes_total
    return f"{coverage.bytes_classified * 1000 // total / 10:g} %" if total else "100 %"


def not_understood(coverage: Coverage) -> str | None:
    """A line about what was not understood; None where everything was."""
    if coverage.bytes_classified >= coverage.bytes_total:
        return None
    unknown = unknown_text(coverage)
    return f"{share_text(coverage)} was understood" + (f"; not: {unknown}" if unknown else "")


def refuse_little(coverage: Coverage, least: float, name: str = "the input") -> None:
    """Raises InputError where less than `least` (0 to 1) of the bytes were understood."""
    if coverage.bytes_classified >= coverage.bytes_total * least:
        return
    unknown = unknown_text(coverage)
    raise InputError(
        f"only {share_text(coverage)} of {name} was understood (--min-coverage {least * 100:g})",
        why=f"Not understood: {unknown}." if unknown else "",
        hint="If these are lines of PostgreSQL, give the log's own prefix (SHOW log_line_prefix): --prefix '…'; if they"
        " are another program's, take them out or give a lower --min-coverage.",
    )
