"""EXPLAIN output as a file."""

from collections.abc import Iterable, Iterator

from advisor.model.event import Event
from advisor.sources.messages import split_plan
from advisor.sources.tally import Tally


def read(blocks: Iterable[bytes], tally: Tally) -> Iterator[Event]:
    """One event of kind `plan` with the whole text: whoever parses plans finds how many there are."""
    data = b"".join(blocks)
    tally.classified(len(data))
    text = data.decode("utf-8-sig", "replace")
    sql, parameters, _, plan_format = split_plan(text)
    named = "Query Text" in text or "<Query-Text>" in text
    yield Event(
        kind="plan",
        sql=sql if named else None,
        parameters=parameters if named else None,
        plan=text,
        plan_format="json" if text.lstrip()[:1] in ("[", "{") else plan_format,
        line=1,
    )
