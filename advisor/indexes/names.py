"""Names for new indexes: like PostgreSQL's own, at most 63 bytes, and not taken."""

from collections.abc import Collection, Iterable

from advisor.model.catalog import Catalog, IndexKey
from advisor.model.names import QualifiedName

MAX_NAME_BYTES = 63
"""`NAMEDATALEN - 1`: PostgreSQL cuts a longer name silently."""


def index_name(table: QualifiedName, keys: Iterable[IndexKey], taken: Collection[str] = ()) -> str:
    """A name for an index on these keys that is not in `taken`: `orders_customer_id_created_at_idx`, then `…_idx1`.

    The parts are joined and shortened as `makeObjectName` and `ChooseIndexNameAddition` do it
    (PostgreSQL's src/backend/commands/indexcmds.c): the longer of table and columns gives way first.
    """
    columns = "_".join(key.column or "expr" for key in keys)
    number = 0
    while True:
        name = _join(table.name, columns, f"idx{number or ''}")
        if name not in taken:
            return name
        number += 1


def taken_names(catalog: Catalog, schema: str) -> set[str]:
    """Every relation and index name of a schema, constraints included, since they share one name space."""
    tables = [table for name, table in catalog.tables.items() if name.schema == schema]
    indexes = {index.name for table in tables for index in table.indexes}
    constraints = {constraint.name for table in tables for constraint in table.constraints}
    return {table.name.name for table in tables} | indexes | constraints


def _join(table: str, columns: str, label: str) -> str:
    available = MAX_NAME_BYTES - len(label) - 2
    first, second = len(table.encode()), len(columns.encode())
    while first + second > available:
        if first > second:
            first -= 1
        else:
            second -= 1
    return f"{_clip(table, first)}_{_clip(columns, second)}_{label}"


def _clip(text: str, size_bytes: int) -> str:
    """The longest beginning of a text that fits, no character cut in two."""
    return text.encode()[:size_bytes].decode(errors="ignore")
