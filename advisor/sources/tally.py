"""The account of an input's bytes: every one is either classified or counted as unknown."""

import re
from typing import Any
from zlib import crc32

from advisor.model.workload import UnknownLines

MAX_UNKNOWN_CLASSES = 40
"""Classes of unknown lines kept apart; a binary file would have as many as lines. The rest share one class."""

SAMPLE_CHARACTERS = 160
"""Of an unknown line: enough to recognise it, too little to drag a whole statement into a report."""

MAX_WARNINGS = 50
"""Distinct warnings of one input."""

OVERSIZED_BYTES = 1 << 20
"""A statement is kept to its first mebibyte: beyond that it is data, and memory must stay flat."""

OTHER = "(other)"

_WORD = re.compile(r"\w+")
_VARIABLE = re.compile(r"[0-9]+|'[^']*'|\"[^\"]*\"")


class Tally:
    """Counts input while it is read. `bytes_total == bytes_classified + bytes_unknown` after every block.

    Tallies add up, in any order: of the classes of unknown lines those with the smallest hashes are
    kept, with the least of their lines as the sample.
    """

    __slots__ = ("_unknown", "bytes_classified", "bytes_total", "bytes_unknown", "oversized", "unparsed", "warnings")

    def __init__(self) -> None:
        self.bytes_total = 0
        self.bytes_classified = 0
        self.bytes_unknown = 0
        self.oversized = 0
        self.unparsed = 0
        self.warnings: list[str] = []
        self._unknown: dict[str, tuple[str, int]] = {}

    def classified(self, count: int) -> None:
        """`count` more bytes were understood."""
        self.bytes_total += count
        self.bytes_classified += count

    def accounted(self, count: int, unknown_before: int) -> None:
        """`count` more bytes were read; what of them is not among the unknown since `unknown_before` was understood."""
        # With the last line an end may have been counted that it does not have.
        excess = max(0, self.bytes_unknown - unknown_before - count)
        self.bytes_unknown -= excess
        self.bytes_total -= excess
        self.classified(count - (self.bytes_unknown - unknown_before))

    def not_understood(self, text: str, count: int) -> None:
        """`count` more bytes, shown by `text`, were not understood; each line of `text` counts once."""
        self.bytes_total += count
        self.bytes_unknown += count
        for line in text.splitlines():
            if line.strip():
                sample = line[:SAMPLE_CHARACTERS]
                self._count(_VARIABLE.sub("0", sample)[:60], sample, 1)

    def _count(self, kind: str, sample: str, count: int) -> None:
        known = self._unknown.get(kind)
        if known is not None:
            self._unknown[kind] = (min(known[0], sample), known[1] + count)
            return
        self._unknown[kind] = (sample, count)
        if len(self._unknown) > MAX_UNKNOWN_CLASSES + (OTHER in self._unknown):
            # What goes is decided by the class alone, so that it is the same whatever came first.
            gone = max((each for each in self._unknown if each != OTHER), key=_hash)
            lost = self._unknown.pop(gone)
            others = self._unknown.get(OTHER, (lost[0], 0))
            self._unknown[OTHER] = (min(others[0], lost[0]), others[1] + lost[1])

    def warn(self, message: str) -> None:
        """Notes `message` once."""
        if message not in self.warnings and len(self.warnings) < MAX_WARNINGS:
            self.warnings.append(message)

    def merge(self, other: "Tally") -> None:
        """Adds what another one counted."""
        self.bytes_total += other.bytes_total
        self.bytes_classified += other.bytes_classified
        self.bytes_unknown += other.bytes_unknown
        self.oversized += other.oversized
        self.unparsed += other.unparsed
        for warning in other.warnings:
            self.warn(warning)
        for kind, (sample, count) in other._unknown.items():
            self._count(kind, sample, count)

    def state(self) -> list[Any]:
        """Everything as plain values."""
        counts = [self.bytes_total, self.bytes_classified, self.bytes_unknown, self.oversized, self.unparsed]
        return [counts, sorted(self.warnings), sorted([kind, *entry] for kind, entry in self._unknown.items())]

    @classmethod
    def restore(cls, state: list[Any]) -> "Tally":
        """What `state` told."""
        tally = cls()
        counts, warnings, unknown = state
        tally.bytes_total, tally.bytes_classified, tally.bytes_unknown, tally.oversized, tally.unparsed = counts
        tally.warnings = list(warnings)
        tally._unknown = {kind: (sample, count) for kind, sample, count in unknown}
        return tally

    def redact(self) -> None:
        """Leaves of unknown lines, which may hold literals, only where they have letters and digits."""
        known, self._unknown = self._unknown, {}
        for kind, (_, count) in known.items():
            shape = kind if kind == OTHER else _WORD.sub("x", kind)
            self._count(shape, shape, count)

    @property
    def unknown(self) -> tuple[UnknownLines, ...]:
        """Classes of lines that were not understood, most frequent first."""
        ranked = sorted(self._unknown.values(), key=lambda entry: (-entry[1], entry[0]))
        return tuple(UnknownLines(sample=sample, count=count) for sample, count in ranked)


def _hash(kind: str) -> tuple[int, str]:
    return crc32(kind.encode("utf-8", "surrogatepass")), kind
