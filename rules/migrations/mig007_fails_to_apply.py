"""A statement of the migration fails.

## What it does

Runs every statement on a throwaway server that has the schema, and reports those that the server refuses.

## Why it matters

The migration would stop half-way in production; without a transaction around it, what ran before stays. A failed
CREATE INDEX CONCURRENTLY leaves an invalid index, which IF NOT EXISTS then keeps.

## When it is fine

Where the schema given here is not the one the migration is meant for. What only the throwaway server lacks (roles,
extensions, privileges) and what fails only because the rows are made up is not reported.

## Example

    BEGIN;
    CREATE INDEX CONCURRENTLY orders_user_id_idx ON orders (user_id);
    COMMIT;

## Use instead

    CREATE INDEX CONCURRENTLY orders_user_id_idx ON orders (user_id);

in a file of its own, without a transaction.

## Evidence it needs

The migration's traced run.

## References

- https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from collections.abc import Iterator

from advisor.engine.migration_facts import file_key, place, subcommands
from advisor.engine.rule import rule
from advisor.engine.subjects import StatementSubject
from advisor.model.advice import Advice, Finding, Subject
from advisor.model.evidence import Evidence

_HINTS = {
    "25001": "Put the statement in a file of its own that has no BEGIN and that the runner does not wrap.",
    "42P07": "It exists already: an earlier migration made it, or a failed one left it.",
    "42701": "The column exists already.",
    "23505": "Look for duplicates first: SELECT …, count(*) … GROUP BY … HAVING count(*) > 1.",
    "23502": "Fill the NULLs in batches first.",
}
_NEEDS_ROWS = (
    "It fails wherever the table has rows. Add the column nullable (or with a DEFAULT, if it need not be unique), fill"
    " it in batches, then add the constraint."
)


@rule(code="MIG007", name="fails-to-apply", severity="error", scope="statement", needs={"migrations"})
def fails_to_apply(subject: StatementSubject, _: Evidence) -> Iterator[Finding]:
    migration, statement = subject.migration, subject.statement
    error = statement.error
    hint = _HINTS.get(statement.sqlstate or "", "Correct the statement.")
    if statement.sqlstate in ("23502", "23505") and subcommands(statement, "AddColumn"):
        hint = _NEEDS_ROWS
    if error is None or not statement.traced:
        return
    state = f" (SQLSTATE {statement.sqlstate})" if statement.sqlstate else ""
    table = statement.details.get("table")
    named = table or ".".join(part for part in statement.details.get("relation", ()) if part)
    invalid = migration.invalid_indexes if statement.details.get("concurrently") else ()
    left = f" It leaves an invalid index: {', '.join(invalid)}." if invalid else ""
    yield fails_to_apply.finding(
        objects=[part for part in (statement.kind, named, file_key(migration)) if part],
        title=f"{statement.kind} fails: {error}",
        message=f"The server answered: {error}{state}.{left}",
        subject=Subject(tables=(table,) if table else ()),
        location=place(migration, statement),
        evidence={"error": error, "sqlstate": statement.sqlstate},
        remedies=[Advice(kind="safe_migration", notes=(hint,))],
    )
