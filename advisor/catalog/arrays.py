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
    found: list[tuple[str, str]] = _element(delimiter).findall(inner)
    if "\\" not in inner:
        return tuple([quoted or plain for quoted, plain in found])
    return tuple([_ESCAPED.sub(r"\1", quoted) if quoted else plain for quoted, plain in found])
