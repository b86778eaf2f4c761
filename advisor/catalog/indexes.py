"""The rows of the index query into indexes."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from advisor.catalog.metapages import Metapages
from advisor.catalog.rows import Oid, Row
from advisor.catalog.statistics import StatisticsKey, expression_statistics
from advisor.catalog.storage import storage, summed
from advisor.model.catalog import ColumnStatistics, Index, IndexKey
from advisor.model.names import QualifiedName

_DESCENDING, _NULLS_FIRST = 1, 2
"""Bits of `pg_index.indoption` (INDOPTION_DESC and INDOPTION_NULLS_FIRST in catalog/pg_index.h)."""


def build_indexes(
    rows: Sequence[Row],
    names: Mapping[Oid, QualifiedName],
    statistics: Mapping[StatisticsKey, ColumnStatistics],
    metapages: Metapages,
    block_size: int,
) -> dict[Oid, list[Index]]:
    """Indexes by their table; those of a table that is not in `names` are left out."""
    sizes = summed({row["oid"]: row["size_bytes"] for row in rows}, rows)
    found: dict[Oid, list[Index]] = defaultdict(list)
    for row in rows:
        if row["relation"] not in names or row["definition"] is None:
            continue
        count = row["key_count"]
        found[row["relation"]].append(
            Index(
                name=row["name"],
                table=names[row["relation"]],
                method=row["method"],
                keys=tuple(_keys(row, count)),
                include=tuple(row["columns"][count:]),
                predicate=row["predicate"],
                unique=row["is_unique"],
                nulls_not_distinct=row["nulls_not_distinct"],
                primary=row["is_primary"],
                valid=row["valid"],
                constraint=row["constraint"],
                inherited=row["parent"] is not None,
                definition=row["definition"],
                size_bytes=sizes.get(row["oid"]),
                scans=row["scans"],
                storage=storage(row, block_size) if row["kind"] == "i" else None,
                height=metapages.heights.get(row["oid"]),
                gin=metapages.gin.get(row["oid"]),
                statistics=expression_statistics(row, statistics),
                options=tuple(row["storage_parameters"] or ()),
                tablespace=row["tablespace"],
            )
        )
    return found


def _keys(row: Row, count: int) -> Iterable[IndexKey]:
    for n in range(count):
        option = row["options"][n]
        yield IndexKey(
            column=row["columns"][n],
            expression=row["expressions"][n],
            descending=bool(option & _DESCENDING),
            nulls_first=bool(option & _NULLS_FIRST),
            operator_class=row["classes"][n],
        )
