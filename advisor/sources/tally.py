"""The account of an input's bytes: every one is either classified or counted as unknown."""

import re

from advisor.model.workload import UnknownLines

MAX_UNKNOWN_CLASSES = 40
"""Classes of unknown lines kept apart; a binary file would have as many as lines. The rest share one class."""

SAMPLE_CHARACTERS = 160
"""Of an unknown line: enough to recognise it, too little to drag a whole statement into a report."""

MAX_WARNINGS = 50
"""Distinct warnings of one input."""

OVERSIZED_BYTES = 1 << 20
"""A statement is kept to its first mebibyte: beyond that it is data, and memory must stay flat."""

_VARIABLE = re.compile(r"[0-9]+|'[^']*'|\"[^\"]*\"")


class Tally:
    """Counts one input while it is read. `bytes_total == bytes_classified + bytes_unknown` after every block."""

    __slots__ = (
        "_unknown",
        "bytes_classified",
        "bytes_total",
        "bytes_unknown",
        "events",
        "oversized",
        "unparsed",
        "warnings",
    )

    def __init__(self) -> None:
        self.bytes_total = 0
        self.bytes_classified = 0
        self.bytes_unknown = 0
        self.events = 0
        self.oversized = 0
        self.unparsed = 0
        self.warnings: list[str] = []
        self._unknown: dict[str, tuple[str, int]] = {}

    def classified(self, count: int) -> None:
        """`count` more bytes were understood."""
        self.bytes_total += count
        self.bytes_classified += count

    def not_understood(self, text: str, count: int) -> None:
        """`count` more bytes, shown by `text`, were not understood; each line of `text` counts once."""
        self.bytes_total += count
        self.bytes_unknown += count
        for line in text.splitlines():
            if line.strip():
                self._count_line(line[:SAMPLE_CHARACTERS])

    def _count_line(self, line: str) -> None:
        kind = _VARIABLE.sub("0", line)[:60]
        if kind not in self._unknown and len(self._unknown) >= MAX_UNKNOWN_CLASSES:
            kind = "(other)"
        sample, count = self._unknown.get(kind, (line, 0))
        self._unknown[kind] = (sample, count + 1)

    def warn(self, message: str) -> None:
        """Notes `message` once."""
        if message not in self.warnings and len(self.warnings) < MAX_WARNINGS:
            self.warnings.append(message)

    @property
    def unknown(self) -> tuple[UnknownLines, ...]:
        """Classes of lines that were not understood, most frequent first."""
        ranked = sorted(self._unknown.values(), key=lambda entry: (-entry[1], entry[0]))
        return tuple(UnknownLines(sample=sample, count=count) for sample, count in ranked)
