"""From what queries would like to as few indexes as serve them."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from advisor.engine.access_serving import KeyName, key_name, serves_keys, usable
from advisor.indexes.names import index_name, taken_names
from advisor.model.advice import IndexCandidate, IndexNeed
from advisor.model.catalog import Catalog, IndexKey
from advisor.model.names import QualifiedName

MAX_KEYS = 32
"""`INDEX_MAX_KEYS`: PostgreSQL refuses more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    """An index in the making: the first `fixed` keys are compared by equality and may be in any order."""

    keys: tuple[IndexKey, ...]
    fixed: int
    query_ids: tuple[str, ...]


def candidates(needs: Iterable[IndexNeed], catalog: Catalog) -> tuple[IndexCandidate, ...]:
    """One index candidate for every need that no existing index and no other candidate serves.

    Equality keys come first, those that most queries share in front (so that one index serves several), then the sort
    or else the first range. The same needs give the same candidates, whatever their order.
    """
    by_table: dict[QualifiedName, list[IndexNeed]] = defaultdict(list)
    for need in sorted(set(needs), key=_sort_key):
        by_table[need.table].append(need)
    found: list[IndexCandidate] = []
    for table, wanted in sorted(by_table.items()):
        taken = taken_names(catalog, table.schema) | {c.name for c in found if c.table.schema == table.schema}
        for shape in _merged([shape for shape in _shapes(wanted) if not _exists(shape, table, catalog)]):
            name = index_name(table, shape.keys, taken)
            taken.add(name)
            found.append(IndexCandidate(table=table, name=name, keys=shape.keys, query_ids=shape.query_ids))
    return tuple(found)


def _sort_key(need: IndexNeed) -> tuple[str, str, str]:
    return str(need.table), need.query_id, repr((need.equality, need.range, need.order))


def _shapes(needs: Sequence[IndexNeed]) -> list[_Shape]:
    shared = Counter(name for need in needs for name in {key_name(key) for key in need.equality})
    return [shape for need in needs if (shape := _shape(need, shared)).keys]


def _shape(need: IndexNeed, shared: Counter[KeyName]) -> _Shape:
    by_name = {key_name(key): key for key in reversed(need.equality)}
    written = {key_name(key): position for position, key in reversed(tuple(enumerate(need.equality)))}
    names = sorted(by_name, key=lambda name: (-shared[name], written[name]))[:MAX_KEYS]
    fixed = tuple(by_name[name] for name in names)
    tail = tuple(key for key in (need.order or need.range[:1]) if key_name(key) not in by_name)
    return _Shape(keys=(fixed + tail)[:MAX_KEYS], fixed=len(fixed), query_ids=(need.query_id,))


def _exists(shape: _Shape, table: QualifiedName, catalog: Catalog) -> bool:
    known = catalog.tables.get(table)
    return any(
        usable(index) and index.method == "btree" and _serves(index.keys, shape)
        for index in (known.indexes if known else ())
    )


def _serves(keys: Sequence[IndexKey], shape: _Shape) -> bool:
    return serves_keys(keys, shape.keys[: shape.fixed], shape.keys[shape.fixed :])


def _merged(shapes: Sequence[_Shape]) -> list[_Shape]:
    """The shapes that serve the others, longest first; each takes over the queries of those it serves."""
    kept: list[_Shape] = []
    for shape in sorted(shapes, key=lambda shape: -len(shape.keys)):
        for number, other in enumerate(kept):
            if _serves(other.keys, shape):
                ids = tuple(dict.fromkeys((*other.query_ids, *shape.query_ids)))
                kept[number] = replace(other, query_ids=ids)
                break
        else:
            kept.append(shape)
    return kept
