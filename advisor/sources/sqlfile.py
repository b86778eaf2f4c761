"""A `.sql` file of queries; `-- calls: N` above a statement is how often it runs."""

import re
from collections.abc import Iterable, Iterator

from advisor.sources.tally import Tally
from advisor.sql.split import split

_CALLS = re.compile(r"\bcalls\s*[:=]\s*(\d{1,18})\b", re.IGNORECASE)


def read(blocks: Iterable[bytes], tally: Tally) -> Iterator[tuple[str, int]]:
    """Each statement and its calls. psql commands and what does not parse are counted, not fatal."""
    data = b"".join(blocks)
    tally.classified(len(data))
    for statement in split(data.decode("utf-8", "replace")):
        if statement.kind == "meta":
            continue
        if statement.error is not None:
            tally.unparsed += 1
            tally.warn(f"Line {statement.line} does not parse: {statement.error.what}")
            continue
        found = [_CALLS.search(comment) for comment in statement.comments]
        calls = next((int(match[1]) for match in reversed(found) if match), 1)
        yield statement.sql, max(calls, 1)
