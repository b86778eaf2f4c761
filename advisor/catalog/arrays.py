"""The text of a one-dimensional array into its elements."""

import re

_ELEMENT = r'"((?:[^"\\]|\\.)*)"|([^"{0}]+)'


def parse_array(text: str | None, delimiter: str = ",") -> tuple[str, ...]:
    """The elements of an array without NULLs, as `array_out` prints it (utils/adt/arrayfuncs.c); none for None.

    An element that is an array, a row or a range itself stays text. `delimiter` is the element type's `typdelim`.
    """
    if text is None or text == "{}":
        return ()
    inner = text[1:-1]
    if '"' not in inner:
        return tuple(inner.split(delimiter))
    elements = re.finditer(_ELEMENT.replace("{0}", re.escape(delimiter)), inner, flags=re.DOTALL)
    return tuple(
        plain if (plain := found[2]) is not None else re.sub(r"\\(.)", r"\1", found[1], flags=re.DOTALL)
        for found in elements
    )
