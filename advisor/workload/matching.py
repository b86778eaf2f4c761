"""Which query of the new input is which of the old one."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from postgast import pg_query_pb2 as pb

from advisor.errors import SqlError
from advisor.model.difference import MatchedBy
from advisor.model.workload import Query, Workload
from advisor.sql.identify import identify
from advisor.sql.parse import scan


@dataclass(frozen=True, slots=True)
class Matched:
    """Queries of both inputs side by side, and those of one only."""

    by: MatchedBy
    both: tuple[tuple[Query, Query], ...]
    old_only: tuple[Query, ...]
    new_only: tuple[Query, ...]
    notes: tuple[str, ...] = ()


def match(old: Workload, new: Workload) -> Matched:
    """By id, which holds the database's name; by the text alone where the inputs have no database in common.

    A text that several databases of one input share is then left out of both, and counted in the notes.
    """
    databases = [{query.database for query in each.queries} for each in (old, new)]
    if not databases[0] or not databases[1] or databases[0] & databases[1]:
        return _matched("id", {query.id: query for query in old.queries}, {query.id: query for query in new.queries})
    named = [", ".join(sorted(name or "(not named)" for name in each)) for each in databases]
    notes = [f"The databases differ ({named[0]} in OLD, {named[1]} in NEW): queries are matched by their text alone."]
    sides = []
    for name, each in (("OLD", old), ("NEW", new)):
        found, left_out = _by_text(each.queries)
        sides.append(found)
        if left_out:
            notes.append(f"{left_out} texts run in several databases of {name} and are left out.")
    return _matched("sql", sides[0], sides[1], tuple(notes))


def text_id(sql: str) -> str:
    """The query's id as if no database were known, constants and parameters alike; the text itself where it does not
    parse."""
    try:
        normalised = identify(sql).sql
        return identify(_renumbered(normalised)).id
    except SqlError:
        return sql


def _renumbered(sql: str) -> str:
    """With its parameters numbered as they come: `a < $2 AND b = $1` and `a < 1 AND b = 2` are normalised otherwise."""
    data, parts, end, number = sql.encode(), [], 0, 0
    for token in scan(sql):
        if token.token == pb.PARAM:
            number += 1
            parts += [data[end : token.start], b"$%d" % number]
            end = token.end
    return b"".join((*parts, data[end:])).decode()


def _by_text(queries: Sequence[Query]) -> tuple[dict[str, Query], int]:
    keys = [text_id(query.sql) for query in queries]
    often = Counter(keys)
    unique = {key: query for key, query in zip(keys, queries, strict=True) if often[key] == 1}
    return unique, len(often) - len(unique)


def _matched(by: MatchedBy, old: dict[str, Query], new: dict[str, Query], notes: tuple[str, ...] = ()) -> Matched:
    return Matched(
        by,
        tuple((query, new[key]) for key, query in old.items() if key in new),
        tuple(query for key, query in old.items() if key not in new),
        tuple(query for key, query in new.items() if key not in old),
        notes,
    )
