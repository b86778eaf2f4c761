"""What the MIG rules share: where a statement stands, how big its table is believed to be."""

from collections.abc import Iterable
from pathlib import PurePath

from advisor.model.advice import Location, Severity
from advisor.model.evidence import Evidence
from advisor.model.migration import Migration, TracedStatement
from advisor.model.names import QualifiedName
from advisor.sql.quote import quote_identifier, quote_name

SMALL_TABLE_ROWS = 10_000
"""Reading, rewriting or indexing so few rows takes milliseconds: who waits does not notice."""

LOCK_TIMEOUT = "SET lock_timeout = '5s';"
"""A statement that waits for a lock makes everybody behind it wait, too; after so long it is better to try later."""

MAX_NAME_BYTES = 63
"""NAMEDATALEN - 1; a longer name would be cut by the server."""

_BASES = {"catalog": "statistics", "plan": "a plan in the input", "flag": "as given"}


def file_key(migration: Migration) -> str:
    """The file's part of a finding's key: its name, with its folder where the name alone has no version in it."""
    path = PurePath(migration.file)
    return path.name if any(sign.isdigit() for sign in path.name) else "/".join(path.parts[-2:])


def place(migration: Migration, statement: TracedStatement) -> Location:
    """Where the statement stands."""
    return Location(file=migration.file, line=statement.line, column=statement.column, end_line=statement.end_line)


def parse_name(text: str) -> QualifiedName:
    """`schema.name`, as the traced facts write names."""
    schema, _, name = text.partition(".")
    return QualifiedName(schema, name)


def quoted(text: str) -> str:
    """`schema.name` as an identifier that can be pasted."""
    return quote_name(parse_name(text))


def known_rows(evidence: Evidence, table: str) -> tuple[int, str] | None:
    """(rows, where that number comes from); None where nothing but an assumption is at hand."""
    profile = evidence.profile.get(parse_name(table))
    if profile is None or profile.basis == "assumed":
        return None
    return profile.rows, _BASES[profile.basis]


def rows_words(evidence: Evidence, table: str) -> str:
    """`public.orders (20,000 rows, statistics)`; the name alone where the size is not known."""
    known = known_rows(evidence, table)
    return f"{table} ({known[0]:,} rows, {known[1]})" if known else f"{table} (size not known)"


def severity_for(evidence: Evidence, tables: Iterable[str], default: Severity) -> Severity:
    """`info` where every table is known to be small, else the rule's own."""
    known = [known_rows(evidence, table) for table in tables]
    small = bool(known) and all(size is not None and size[0] <= SMALL_TABLE_ROWS for size in known)
    return "info" if small else default


def locks_on(statement: TracedStatement, table: str) -> frozenset[str]:
    """The modes in which the table is locked while the statement runs."""
    return frozenset(lock.mode for lock in statement.locks or () if str(lock.relation) == table)


def held_until(migration: Migration) -> str:
    """How long a lock lasts: to the end of the statement, or of the file's own transaction."""
    return "until the transaction's COMMIT" if migration.transaction != "none" else "until the statement is done"


def short_name(*parts: str) -> str:
    """Parts joined by `_` as a name of at most 63 bytes, quoted where needed."""
    text = "_".join(parts).encode()[:MAX_NAME_BYTES].decode(errors="ignore")
    return quote_identifier(text)


def subcommands(statement: TracedStatement, *kinds: str) -> list[dict[str, object]]:
    """The parts of an ALTER TABLE of those kinds."""
    return [part for part in statement.details.get("subcommands", ()) if part["kind"] in kinds]
