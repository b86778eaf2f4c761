"""Which sampled values of a catalog are private, and a snapshot without them.

Private is what is not listed here as public: a type that nobody thought of is rather hashed than shown.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from advisor.catalog.tokens import tokeniser
from advisor.errors import SqlError
from advisor.model.catalog import Catalog, Column, ColumnStatistics, Table
from advisor.sql.parse import parse, strings, walk
from advisor.sql.quote import quote_name

LOW_CARDINALITY = 200
"""Distinct values: so many statuses, countries or categories there are, but not customers."""

LEAST_ROWS_PER_VALUE = 2.0
"""In the mean: a column of a small table in which nearly every row has its own value is a list of its rows."""

PUBLIC_TYPES = frozenset(
    {
        "bool",
        "int2",
        "int4",
        "int8",
        "float4",
        "float8",
        "numeric",
        "money",
        "oid",
        "xid",
        "xid8",
        "tid",
        "cid",
        "pg_lsn",
    }
    | {"date", "time", "timetz", "timestamp", "timestamptz", "interval", "uuid", "bit", "varbit"}
    | {"int4range", "int8range", "numrange", "tsrange", "tstzrange", "daterange", "int4multirange", "int8multirange"}
    | {"nummultirange", "tsmultirange", "tstzmultirange", "datemultirange", "regclass", "regtype", "regproc"}
    | {"point", "line", "lseg", "box", "path", "polygon", "circle"}
)
"""By their catalog names: types whose values are not text. Network addresses are not among them: they tell persons."""

_LENGTH = re.compile(r"(?:character varying|character|varchar|bpchar)\((\d+)\)")
_DOMAIN_BASE = re.compile(r"\ACREATE DOMAIN .+? AS (?P<base>[^\n]+)")
_OTHER_FORM = re.compile(r"[-+]?\d|[{\[\"(]|[tf]\Z")
"""How values of numbers, dates, arrays, composites, JSON and booleans begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Treatment:
    """What happens to a column's values: kept where `public`, else tokens of `base_type` (None: there are none)."""

    public: bool
    base_type: str | None = None
    limit: int | None = None


_PUBLIC = Treatment(public=True)


@dataclass(frozen=True, slots=True)
class Judge:
    """Decides which columns and expressions of a catalog are private."""

    catalog: Catalog
    enums: frozenset[str] = field(init=False)
    domains: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        objects = self.catalog.objects
        enums = {thing.name.name for thing in objects if thing.kind == "enum"}
        others = {thing.name.name for thing in objects if thing.kind not in ("enum", "sequence", "function", "trigger")}
        bases = {
            quote_name(thing.name): found["base"]
            for thing in objects
            if thing.kind == "domain" and (found := _DOMAIN_BASE.match(thing.definition))
        }
        object.__setattr__(self, "enums", frozenset(enums - others))
        object.__setattr__(self, "domains", bases)

    def is_text(self, column: Column) -> bool:
        """Whether the column's type may hold text, bytes, documents or addresses, in whatever form."""
        if column.type_kind == "e" or column.enum_labels:
            return False
        return not {column.base_type.removeprefix("_")} & (PUBLIC_TYPES | self.enums)

    def column(self, table: Table, column: Column) -> Treatment:
        """The treatment of a column's values; the statistics of the table alone and of its tree get the same."""
        known = [stats for stats in (column.statistics, column.inherited_statistics) if stats is not None]
        if not self.is_text(column) or (known and all(is_categorical(stats, table.rows) for stats in known)):
            return _PUBLIC
        return Treatment(public=False, base_type=column.base_type, limit=self._limit(column.type))

    def expression(self, table: Table, expression: str | None, stats: ColumnStatistics | None) -> Treatment:
        """The treatment of an expression's values: of its columns' ones, as text where they look like it."""
        columns = _columns_of(expression or "", table)
        if (columns and not any(self.is_text(column) for column in columns)) or (
            stats is not None and is_categorical(stats, table.rows)
        ):
            return _PUBLIC
        values = [value for value, _ in stats.most_common] if stats else []
        plain = not any(_OTHER_FORM.match(value) for value in values)
        return Treatment(public=False, base_type="text" if plain else None)

    def _limit(self, type_name: str) -> int | None:
        for _ in range(len(self.domains) + 1):
            if (found := _LENGTH.match(type_name)) is not None:
                return int(found[1])
            base = self.domains.get(type_name.split(" COLLATE ")[0])
            if base is None:
                return None
            type_name = next((name for name in self.domains if base == name or base.startswith(f"{name} ")), base)
        return None


def is_categorical(stats: ColumnStatistics, rows: float | None) -> bool:
    """Whether a column has few values that many rows share, by `n_distinct` and the number of rows."""
    if stats.distinct >= 0:
        few = stats.distinct <= LOW_CARDINALITY
        return few and (rows is None or rows * (1 - stats.null_fraction) >= LEAST_ROWS_PER_VALUE * stats.distinct)
    if rows is None:
        return False
    shared = -stats.distinct * LEAST_ROWS_PER_VALUE <= 1 - stats.null_fraction
    return shared and -stats.distinct * rows <= LOW_CARDINALITY


def _columns_of(expression: str, table: Table) -> list[Column]:
    """The table's columns that an expression names; none where one of its names is no column."""
    try:
        tree = parse(f"SELECT {expression}")
    except SqlError:
        return []
    names = [strings(node.fields) for node in walk(tree) if node.DESCRIPTOR.name == "ColumnRef"]
    found = [table.column(name[-1]) if name else None for name in names]
    return [] if None in found else [column for column in found if column is not None]


def hashed(stats: ColumnStatistics, treatment: Treatment, key: str) -> ColumnStatistics:
    """Statistics with tokens for values. Without histograms: an order of tokens would mislead where none is told."""
    if treatment.public:
        return stats
    counted = len(stats.most_common_elements)
    element_type = (treatment.base_type or "").removeprefix("_").replace("tsvector", "text")
    elements = sorted(
        _tokens(zip(stats.most_common_elements, stats.element_frequencies, strict=False), element_type, treatment, key)
    )
    frequencies = stats.element_frequencies
    return replace(
        stats,
        most_common=_tokens(stats.most_common, treatment.base_type or "", treatment, key),
        histogram=(),
        most_common_elements=tuple(value for value, _ in elements),
        element_frequencies=(*(share for _, share in elements), *frequencies[counted:]) if elements else (),
        range_lengths=(),
        range_empty_fraction=None,
        range_bounds=(),
    )


def _tokens(
    values: Iterator[tuple[str, float]] | tuple[tuple[str, float], ...], base_type: str, treatment: Treatment, key: str
) -> tuple[tuple[str, float], ...]:
    """Tokens with the shares of their values, in order; two values of one token are one. Empty where there are none."""
    make = tokeniser(key, base_type, treatment.limit)
    shares: dict[str, float] = {}
    for value, share in values:
        made = make(value) if make is not None else None
        if made is None:
            return ()
        shares[made] = shares.get(made, 0.0) + share
    return tuple(shares.items())
