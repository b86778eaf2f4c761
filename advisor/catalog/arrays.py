"""The text of a one-dimensional array into its elements."""

import re
from functools import lru_cache


@lru_cache(maxsize=8)
def _element(delimiter: str) -> re.Pattern[str]:
    return re.compile(rf'"((?:[^"\\]|\\.)*)"|([^"{re.escape(delimiter)}]+)', flags=re.DOTALL)


_ESCAPED = re.compile(r"\\(.)", flags=re.DOTALL)


def parse_array(text: str | None, delimiter: str = ",") -> tuple[str, ...]:
    """The elements of an array without NULLs, as `array_out` prints it (utils/adt/arrayfuncs.c); none for None.

    An element that is an array, a row or a range itself stays text. `delimiter` is the element type's `typdelim`.
    """
    if text is None or text == "{}":
        return ()
    inner = text[1:-1]
    if '"' not in inner:
        return tuple(inner.split(delimiter))
    if "\\" not in inner:
        # No element holds a quote. Where all are quoted, as points in time are, nothing needs to be searched.
        elements = inner[1:-1].split(f'"{delimiter}"')
        if inner.count('"') == 2 * len(elements) and inner[0] == inner[-1] == '"':
            return tuple(elements)
    found: list[tuple[str, str]] = _element(delimiter).findall(inner)
    return tuple([_ESCAPED.sub(r"\1", quoted) if "\\" in quoted else quoted or plain for quoted, plain in found])
