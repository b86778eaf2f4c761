"""Values for the parameters of statements of which only the text is known: taken from rows that a sampler gives.

All values for one table come from the same row, so that conditions on several columns agree. Three rows are taken:
one with the most common values, one in the middle, one with rare values.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import psycopg
from psycopg import sql as pgsql

from advisor.model.names import QualifiedName
from advisor.model.usage import Predicate, Usage
from advisor.sql.bind import count_parameters, inline_parameters
from advisor.sql.parameters import UNIT, ParameterUses
from advisor.sql.quote import quote_identifier

VARIANTS = 3

SAMPLED_ROWS = 2_000
"""Rows looked at per table: shares down to a tenth of a percent can be told apart."""

RANGE_SHARE = 0.005
"""Share of the rows between two unknown ends, as the planner takes it (DEFAULT_RANGE_INEQ_SEL of utils/selfuncs.h)."""

ARRAY_LENGTH = 10
PAGE = 10
"""The length of an array of keys and of a page where nothing tells: what one screen shows."""

MAX_PAGE = 1_000
"""A larger LIMIT is an export's."""

_OFFSETS = ("0", str(PAGE), str(10 * PAGE))
_POSITIONS = (0.5, 0.9, 0.1)
"""Where in the order of a column the three rows lie, when only ranges are asked for."""

_PARAMETER = re.compile(r"\$(\d+)")
_WILDCARDS, _ESCAPED = re.compile(r"[\\%_]"), r"\\\g<0>"
_DEFAULTS: Mapping[str, str] = {
    **dict.fromkeys(("smallint", "integer", "bigint", "numeric", "real", "double precision", "money", "oid"), "1"),
    **dict.fromkeys(("date", "timestamp without time zone", "timestamp with time zone"), "today"),
    **dict.fromkeys(("time without time zone", "time with time zone"), "12:00"),
    **dict.fromkeys(("json", "jsonb"), "{}"),
    **dict.fromkeys(("text", "character varying", "bpchar", "name", "tsquery", "unknown"), "a"),
    "boolean": "true",
    "interval": "1 day",
    "uuid": "00000000-0000-0000-0000-000000000000",
    "bytea": "",
    "inet": "127.0.0.1",
    "cidr": "127.0.0.0/8",
}
"""For parameters that are compared with no column; of another type: NULL."""

Kind = Literal["equal", "low", "high", "like"]
_RANGES = frozenset({"low", "high"})
_TEXTS = frozenset({"text", "character varying", "bpchar"})
_KINDS: Mapping[str, Kind] = {">": "low", ">=": "low", "<": "high", "<=": "high"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """A parameter that is compared with (or assigned to) `key`, SQL over one table's columns.

    `position` counts the items of a list; `listed`: the parameter may be an array of keys; `exact`: it is compared
    itself, not an expression around it.
    """

    number: int
    key: str
    kind: Kind
    position: int = 0
    listed: bool = False
    exact: bool = True


@dataclass(frozen=True, slots=True)
class _Row:
    """A sampled row: texts by key, how many of the sample have the same ones, ranks (from 0) by the ordered keys."""

    texts: Mapping[str, str]
    count: int
    ranks: Mapping[str, int]


Sampler = Callable[[psycopg.Connection[Any], QualifiedName, str], float]
"""Fills a new temporary table of that name with some rows of a table; gives the number of all its rows, 0: unknown."""


@dataclass(frozen=True, slots=True)
class Values:
    """Gives parameters values. Keeps small samples of tables in the connection's session; autocommit is needed."""

    connection: psycopg.Connection[Any]
    sampler: Sampler
    _samples: dict[tuple[int, QualifiedName], tuple[str, float]] = field(default_factory=dict)

    def statements(self, uses: ParameterUses, usage: Usage, rows_per_call: float | None) -> Iterator[str]:
        """The statement with values in place, up to `VARIANTS` times, each text once.

        `rows_per_call` are the rows it returns on average, where known. Raises psycopg.Error where the server refuses
        the statement, SqlError where its text does.
        """
        count = count_parameters(uses.text)
        types = parameter_types(self.connection, uses, count)
        page = str(min(max(round(rows_per_call), 1), MAX_PAGE)) if rows_per_call is not None else str(PAGE)
        chosen = self._from_rows(uses, usage, rows_per_call, types)
        seen: set[str] = set()
        for variant in range(VARIANTS):
            values = [_DEFAULTS.get(name, "{}" if name.endswith("[]") else None) for name in types]
            for number, texts in chosen.items():
                values[number - 1] = texts[variant]
            for number in uses.limits:
                values[number - 1] = page
            for number in uses.offsets:
                values[number - 1] = _OFFSETS[variant]
            text = inline_parameters(uses.text, values)
            if text not in seen:
                seen.add(text)
                yield text

    def _from_rows(
        self, uses: ParameterUses, usage: Usage, rows_per_call: float | None, types: Sequence[str]
    ) -> dict[int, list[str | None]]:
        """A text per variant for every parameter that is compared with a table's columns."""
        found: dict[int, list[str | None]] = {}
        for table, wishes, alone in _wishes(uses, usage):
            wanted = [w for w in wishes if w.number <= len(types) and (w.exact or types[w.number - 1] in _TEXTS)]
            if not wanted:
                continue
            try:
                rows, total = self._rows(table, wanted)
            except (psycopg.DataError, psycopg.ProgrammingError):
                # A condition whose type has no order or that some row makes fail: the type's default must do.
                continue
            share = rows_per_call / total if alone and rows_per_call is not None and total > 0 else None
            for wish in wanted if rows else ():
                choose = _array if types[wish.number - 1].endswith("[]") and wish.listed else _text
                found[wish.number] = [choose(rows, wish, wanted, variant, share) for variant in range(VARIANTS)]
        return found

    def _rows(self, table: QualifiedName, wishes: Sequence[_Wish]) -> tuple[list[_Row], float]:
        """Sampled rows, the most common values first (where only ranges are asked for: in order), and all rows' number.

        Rows in which one of the keys is NULL are left out.
        """
        keys = list(dict.fromkeys(wish.key for wish in wishes))
        ordered = [n for n, key in enumerate(keys) if any(w.key == key and w.kind in _RANGES for w in wishes)]
        equal = [n for n, key in enumerate(keys) if any(w.key == key and w.kind not in _RANGES for w in wishes)]
        parts = ", ".join(f"k{n}::text" for n in range(len(keys)))
        groups = f"PARTITION BY {', '.join(f'k{n}::text' for n in equal)}" if equal else ""
        ranks = "".join(f", row_number() OVER (ORDER BY k{n}) - 1" for n in ordered)
        source, total = self._sample(table)
        query = (
            f"SELECT {parts}, count(*) OVER ({groups}){ranks}"
            f" FROM (SELECT {', '.join(f'({key}) AS k{n}' for n, key in enumerate(keys))} FROM {source}) AS sample"
            f" WHERE {' AND '.join(f'k{n} IS NOT NULL' for n in range(len(keys)))}"
        )
        rows = []
        for row in self.connection.execute(query.encode()):
            positions = dict(zip((keys[n] for n in ordered), row[len(keys) + 1 :], strict=True))
            rows.append(_Row(dict(zip(keys, row, strict=False)), row[len(keys)], positions))
        if equal:
            return sorted(rows, key=lambda row: (-row.count, *row.texts.values())), total
        return sorted(rows, key=lambda row: tuple(row.ranks.values())), total

    def _sample(self, table: QualifiedName) -> tuple[str, float]:
        """A temporary table with some of the rows, and the number of all of them as far as the server knows it."""
        key = (self.connection.info.backend_pid, table)
        if key not in self._samples:
            name = f"advisor_sample_{len(self._samples)}"
            self.connection.execute(f"DROP TABLE IF EXISTS pg_temp.{name}".encode())
            self._samples[key] = f"pg_temp.{name}", self.sampler(self.connection, table, name)
        return self._samples[key]


def sample_rows(connection: psycopg.Connection[Any], table: QualifiedName, name: str) -> float:
    """A sampler that takes rows of the table itself."""
    source = pgsql.Identifier(table.schema, table.name).as_string(connection)
    found = connection.execute(
        "SELECT reltuples, relkind::text IN ('r', 'p', 'm') FROM pg_catalog.pg_class WHERE oid = %s::regclass",
        [source],
    ).fetchone()
    rows, stored = found or (0.0, False)
    percent = 100 * SAMPLED_ROWS / rows if rows > 0 else 100
    part = f"TABLESAMPLE BERNOULLI ({percent}) REPEATABLE (1)" if stored and percent < 100 else ""
    query = f"CREATE TEMP TABLE {name} AS SELECT * FROM {source} {part} LIMIT {2 * SAMPLED_ROWS}"
    connection.execute(query.encode())
    return float(rows)


def parameter_types(connection: psycopg.Connection[Any], uses: ParameterUses, count: int) -> list[str]:
    """The parameters' types as the server infers them; `text` where nothing tells. Raises psycopg.Error."""
    if count == 0:
        return []
    declared = ["text" if number in uses.units else "unknown" for number in range(1, count + 1)]
    while True:
        try:
            connection.execute(f"PREPARE advisor_parameters ({', '.join(declared)}) AS {uses.text}".encode())
            break
        except psycopg.errors.IndeterminateDatatype as error:
            # "could not determine data type of parameter $3", in any language.
            number = _PARAMETER.search(error.diag.message_primary or "")
            if number is None or declared[int(number[1]) - 1] == "text":
                raise
            declared[int(number[1]) - 1] = "text"
    try:
        row = connection.execute(
            "SELECT array(SELECT pg_catalog.format_type(t, -1) FROM unnest(parameter_types) WITH ORDINALITY AS p(t, n)"
            " ORDER BY n) FROM pg_catalog.pg_prepared_statements WHERE name = 'advisor_parameters'"
        ).fetchone()
    finally:
        connection.execute("DEALLOCATE advisor_parameters")
    types: list[str] = row[0] if row else declared
    return types


def _wishes(uses: ParameterUses, usage: Usage) -> Iterator[tuple[QualifiedName, list[_Wish], bool]]:
    """Per table of each scope, what its parameters are compared with, and whether nothing else decides on its rows."""
    for scope in usage.scopes:
        predicates = [*scope.predicates, *(p for either in scope.alternatives for branch in either for p in branch)]
        plain = not (scope.limit or scope.aggregates or scope.group_by or scope.distinct or scope.alternatives)
        for use in scope.tables:
            if use.table is None:
                continue
            own = [p for p in predicates if p.alias == use.alias and not p.implied]
            wishes = [wish for predicate in own for wish in _of_predicate(predicate, uses)]
            if use.target or use.table == usage.writes:
                wishes += [_Wish(number=n, key=quote_identifier(c), kind="equal") for n, c in uses.assigned.items()]
            alone = plain and len(scope.tables) == 1 and len(own) == len(wishes) and not scope.unresolved
            if wishes:
                yield use.table, wishes, alone


def _of_predicate(predicate: Predicate, uses: ParameterUses) -> Iterator[_Wish]:
    key = quote_identifier(predicate.column) if predicate.column is not None else predicate.expression or ""
    for number in uses.units:
        key = re.sub(rf"\${number}\b", f"'{UNIT}'", key)
    if not key or _PARAMETER.search(key):
        return
    kind = "like" if predicate.kind == "pattern" else _KINDS.get(predicate.operator, "equal")
    for position, value in enumerate(predicate.value.items or (predicate.value,)):
        if value.kind == "parameter" and value.number is not None:
            listed = predicate.operator in ("in", "not in") or "any" in predicate.operator
            yield _Wish(number=value.number, key=key, kind=kind, position=position, listed=listed)
        elif value.kind == "expression":
            for number in map(int, _PARAMETER.findall(value.text or "")):
                if number not in uses.units:
                    yield _Wish(number=number, key=key, kind="equal", exact=False)


def _text(rows: Sequence[_Row], wish: _Wish, wishes: Sequence[_Wish], variant: int, share: float | None) -> str:
    row = _row(rows, wishes, variant, wish.position)
    text = row.texts[wish.key]
    if wish.kind == "like":
        return f"%{_WILDCARDS.sub(_ESCAPED, text)}%"
    if wish.kind not in _RANGES:
        return text
    both = {w.kind for w in wishes if w.key == wish.key} >= _RANGES
    by_rank = sorted(rows, key=lambda row: row.ranks[wish.key])
    rank, last = row.ranks[wish.key], len(rows) - 1
    if both:
        # As wide as it is to be, also near an end.
        width = min(max(round((RANGE_SHARE if share is None else share) * len(rows)), 1), last)
        first = min(max(rank - width // 2, 0), last - width)
        rank = first if wish.kind == "low" else first + width
    elif share is not None:
        rank = round((1 - share) * last if wish.kind == "low" else share * last)
    return by_rank[min(max(rank, 0), last)].texts[wish.key]


def _array(rows: Sequence[_Row], wish: _Wish, wishes: Sequence[_Wish], variant: int, _share: float | None) -> str:
    texts = dict.fromkeys(_row(rows, wishes, variant, n).texts[wish.key] for n in range(ARRAY_LENGTH))
    quoted = ('"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' for text in texts)
    return "{" + ",".join(quoted) + "}"


def _row(rows: Sequence[_Row], wishes: Sequence[_Wish], variant: int, position: int) -> _Row:
    """The row of a variant; the items of a list have rows of their own, evenly spaced from there."""
    if all(wish.kind in _RANGES for wish in wishes):
        return rows[round(_POSITIONS[variant] * (len(rows) - 1))]
    start = (0, _middle(rows), len(rows) - 1)[variant]
    return rows[(start + position * max(len(rows) // ARRAY_LENGTH, 1)) % len(rows)]


def _middle(rows: Sequence[_Row]) -> int:
    """The position in the middle of the rows that have neither the most common values nor the rarest, if any have."""
    ends = (rows[0].texts, rows[-1].texts)
    others = [n for n, row in enumerate(rows) if row.texts not in ends]
    return others[len(others) // 2] if others else len(rows) // 2
