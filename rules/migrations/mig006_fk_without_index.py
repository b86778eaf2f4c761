"""A foreign key has no index on its own columns.

## What it does

Looks at the schema after all migrations: a foreign key that they added (or whose index they dropped) and whose columns
no index has in front.

## Why it matters

The referenced side is indexed by its key; the referencing side is not. Each DELETE or key UPDATE of a referenced row
then reads the whole referencing table to find its rows, and so does every join from parent to children.

## When it is fine

Where referenced rows are never deleted and never joined from, or the referencing table stays small. A dropped index
that the workload misses is MIG003's.

## Example

    ALTER TABLE orders ADD FOREIGN KEY (user_id) REFERENCES users;

## Use instead

    CREATE INDEX CONCURRENTLY orders_user_id_idx ON orders (user_id);

in the same set of migrations.

## Evidence it needs

The schema before and after the traced run.

## References

- https://www.postgresql.org/docs/current/ddl-constraints.html#DDL-CONSTRAINTS-FK
"""

from collections.abc import Iterator

from advisor.engine.foreign_keys import newly_unindexed, statement_of
from advisor.engine.migration_causes import missed_indexes
from advisor.engine.migration_facts import file_key, parse_name, place, rows_words, severity_for
from advisor.engine.rule import rule
from advisor.engine.safe_migration import index_on
from advisor.model.advice import Finding, Subject
from advisor.model.evidence import Evidence


@rule(code="MIG006", name="fk-without-index", severity="warning", scope="workload", needs={"migrations"})
def fk_without_index(subject: Evidence, evidence: Evidence) -> Iterator[Finding]:
    missed = missed_indexes(subject)
    for key in newly_unindexed(subject):
        migration, statement = statement_of(key, subject)
        dropped = (
            {parse_name(d["index"]).name for d in statement.details.get("dropped_indexes", ())} if statement else set()
        )
        if dropped & missed:
            continue
        table, columns = str(key.table), ", ".join(key.columns)
        yield fk_without_index.finding(
            objects=[table, *key.columns, *([file_key(migration)] if migration else [])],
            severity=severity_for(evidence, [table], "warning"),
            title=f"No index begins with the foreign key {table} ({columns})",
            message=(
                f"{key.name} refers to {key.referenced_table}. Each DELETE or key UPDATE there has to look for rows"
                f" in {rows_words(evidence, table)} and reads all of it, since no index begins with ({columns})."
            ),
            subject=Subject(
                tables=(table, str(key.referenced_table)), columns=tuple(f"{table}.{column}" for column in key.columns)
            ),
            location=place(migration, statement) if migration and statement else None,
            evidence={"constraint": key.name},
            remedies=[index_on(table, key.columns)],
        )
