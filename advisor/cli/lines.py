"""Short texts for a terminal of 80 columns: labels in a column, what they are about wrapped beside them."""

import textwrap
from collections.abc import Iterator

from advisor.report.printable import printable

WIDTH = 80
INDENT = 2


def labelled(label: str, text: str, *, label_width: int) -> Iterator[str]:
    """Lines of `label  text`, the text wrapped in its own column; words (paths, URLs) are never broken."""
    margin = " " * (INDENT + label_width + 2)
    first = " " * INDENT + printable(label).ljust(label_width + 2)
    yield from wrapped(text, first=first, margin=margin)


def wrapped(text: str, *, first: str = "", margin: str = "") -> Iterator[str]:
    """The text's own lines, each wrapped."""
    for line in printable(text).split("\n"):
        yield from textwrap.wrap(
            line,
            WIDTH,
            initial_indent=first,
            subsequent_indent=margin,
            break_long_words=False,
            break_on_hyphens=False,
        ) or [first.rstrip()]
        first = margin
