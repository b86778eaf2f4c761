"""How a log is written, and the reader that reads it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from advisor.sources.csvlog import CsvReader
from advisor.sources.jsonlog import JsonReader
from advisor.sources.languages import language
from advisor.sources.reader import Reader
from advisor.sources.sink import Sink
from advisor.sources.stderr import StderrReader
from advisor.sources.tally import Tally

LogFormat = Literal["stderr", "csv", "json"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The format of a log's records; `prefix` (`log_line_prefix`) and `language` of a stderr log only."""

    format: LogFormat
    prefix: str | None = None
    language: str | None = None

    def state(self) -> list[Any]:
        """As plain values."""
        return [self.format, self.prefix, self.language]

    @classmethod
    def restore(cls, state: Sequence[Any]) -> "Layout":
        """What `state` told."""
        log_format, prefix, spoken = state
        return cls(format=log_format, prefix=prefix, language=spoken)


def open_reader(layout: Layout, sink: Sink, tally: Tally) -> Reader:
    """The reader of a layout.

    Raises:
        InputError: the prefix has an escape that PostgreSQL does not have.
    """
    if layout.format == "csv":
        return CsvReader(sink, tally)
    if layout.format == "json":
        return JsonReader(sink, tally)
    spoken = language(layout.language) if layout.language is not None else None
    return StderrReader(sink, tally, layout.prefix or "", spoken)
