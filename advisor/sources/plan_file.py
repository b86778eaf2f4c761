"""EXPLAIN output as a file."""

from collections.abc import Iterable

from advisor.sources.messages import split_plan
from advisor.sources.tally import Tally


def read(blocks: Iterable[bytes], tally: Tally) -> tuple[str, str | None]:
    """The whole text, and the query that it is of where auto_explain put that in."""
    data = b"".join(blocks)
    tally.classified(len(data))
    text = data.decode("utf-8-sig", "replace")
    named = "Query Text" in text or "<Query-Text>" in text
    return text, split_plan(text)[0] if named else None
