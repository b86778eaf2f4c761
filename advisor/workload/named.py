"""A query as a digest's file keeps it: what `identify` says of its text, without the text."""

from dataclasses import dataclass

from advisor.model.usage import StatementKind
from advisor.sql.identify import Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """See `Identity`, whose attributes these are."""

    id: str
    kind: StatementKind
    is_transaction_control: bool
    fingerprint: str
    sql: str
    tables: tuple[str, ...]


def named(identity: "Identity | Named") -> Named:
    """All of it worked out."""
    return Named(
        id=identity.id,
        kind=identity.kind,
        is_transaction_control=identity.is_transaction_control,
        fingerprint=identity.fingerprint,
        sql=identity.sql,
        tables=identity.tables,
    )
