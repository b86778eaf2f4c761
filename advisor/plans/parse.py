"""EXPLAIN output in any format that is read here, as Plan trees."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from advisor.errors import EmptyInput, InputError
from advisor.model.plan import Plan
from advisor.plans.document import plan_of
from advisor.plans.json_format import read_json
from advisor.plans.text_format import read_text

_SIGNS = (
    ("xml", re.compile(r"<explain\b[^>]*>|<Plan>")),
    ("json", re.compile(r'"{1,2}(?:Plan"{1,2}\s*:\s*\{|Node Type"{1,2}\s*:)')),
    ("yaml", re.compile(r"^[ \t|\"]*(?:- )?Plan:[ \t]*+\+?[ \t\r]*$", re.MULTILINE)),
)
_SHOWN = 200
"""Letters of an error."""

_READERS: Mapping[str, Callable[[str], Iterator[dict[str, Any]]]] = {"text": read_text, "json": read_json}


def parse_plans(text: str) -> list[Plan]:
    """Every plan in the text, in order: EXPLAIN's text and JSON formats, as printed, pasted or logged.

    Frames, quotes, wrapped lines and whatever surrounds the plans are passed over. InputError names the line that
    is not understood, or the format that is not read here; EmptyInput where there is nothing at all.
    """
    if not text.strip():
        raise EmptyInput("The plan is empty.", hint="Give the output of EXPLAIN (ANALYZE, BUFFERS).")
    name = format_of(text)
    reader = _READERS.get(name)
    if reader is None:
        raise InputError(
            f"The plan is in {name.upper()}, which is not read here.", hint="Give it in FORMAT TEXT or FORMAT JSON."
        )
    try:
        plans = [plan_of(document) for document in reader(text)]
    except (ArithmeticError, RecursionError, TypeError, ValueError) as error:
        raise InputError(
            "The plan is not one that a server writes.",
            why=f"A value in it is of another kind or size: {str(error)[:_SHOWN]}.",
            hint="Give the output of EXPLAIN (ANALYZE, BUFFERS) as the server printed it.",
        ) from error
    if not plans:
        line = next(line.strip() for line in text.splitlines() if line.strip())
        raise InputError(
            f"No plan was found; the first line is: {line[:200]}",
            why="A text plan begins with a node such as `Seq Scan on t  (cost=0.00..1.00 rows=1 width=4)`.",
            hint="Give the output of EXPLAIN (ANALYZE, BUFFERS) as the server printed it.",
        )
    return plans


def format_of(text: str) -> str:
    """The format that the text looks like: "json", "xml", "yaml", or "text" where it looks like none of these."""
    return next((name for name, sign in _SIGNS if sign.search(text)), "text")
