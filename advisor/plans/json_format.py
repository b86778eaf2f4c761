"""The JSON format of EXPLAIN and auto_explain, with what surrounds it in a paste."""

import json
from collections.abc import Iterator
from typing import Any

from advisor.errors import InputError
from advisor.plans.frames import unquoted_document


def read_json(text: str) -> Iterator[dict[str, Any]]:
    """Every EXPLAIN document in the text: a list of them, a lone one, or several after each other.

    A bare plan node (no `{"Plan": …}` around it) counts as one. InputError where the JSON is broken.
    """
    cleaned = unquoted_document(text)
    if '\\\\"' in cleaned:
        # Escaped once more on its way through a program's string constant.
        cleaned = cleaned.replace('\\\\"', '\\"')
    decoder = json.JSONDecoder(strict=False)
    position = 0
    while (start := _next_start(cleaned, position)) is not None:
        try:
            value, position = decoder.raw_decode(cleaned, start)
        except json.JSONDecodeError as error:
            if '"Plan"' not in cleaned[start:] and position:
                return
            raise _broken(cleaned, error) from error
        except RecursionError as error:
            raise InputError("A JSON plan is nested too deep to be read.") from error
        yield from _documents(value)


def _next_start(text: str, position: int) -> int | None:
    """Where the next document begins: a bracket or brace that starts a line (a statement may have others)."""
    while position < len(text):
        end = text.find("\n", position)
        end = len(text) if end < 0 else end
        line = text[position:end]
        if line.lstrip().startswith(("{", "[")):
            return position + len(line) - len(line.lstrip())
        position = end + 1
    return None


def _documents(value: Any) -> Iterator[dict[str, Any]]:
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, dict) and "Plan" in item:
            yield item
        elif isinstance(item, dict) and "Node Type" in item:
            yield {"Plan": item}


def _broken(text: str, error: json.JSONDecodeError) -> InputError:
    lines = text.splitlines()
    line = lines[error.lineno - 1].strip()[:200] if error.lineno <= len(lines) else ""
    return InputError(
        f"The JSON plan is broken at line {error.lineno}: {line}",
        why=error.msg,
        hint="Give the whole output; psql's \\pset format unaligned and \\pset tuples_only on print it bare.",
    )
