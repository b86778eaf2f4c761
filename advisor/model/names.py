"""Names of database objects, as values."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class QualifiedName:
    """A relation's name: the schema and the name as stored in the catalog (unquoted, case kept).

    The schema is "" where an input does not tell it.
    """

    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name


LISTED = 5
"""As many names as fit on a line."""


def listed(names: Sequence[object]) -> str:
    """The first `LISTED` names, and how many more there are: `a, b, c, d, e and 3 more`."""
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return f"{', '.join(map(str, names[:LISTED]))}{more}"
