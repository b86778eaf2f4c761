"""What a text is known to be."""

from collections.abc import Mapping
from typing import NamedTuple

from advisor.workload.totals import QueryTotals


class Known(NamedTuple):
    """A text's query, and what its comments say: tags, and the id that ties the statements of one request."""

    totals: QueryTotals
    tags: Mapping[str, str] | None = None
    trace: str | None = None
