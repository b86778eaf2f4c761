"""Names of database objects, as values."""

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
