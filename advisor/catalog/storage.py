"""Files and row counts of tables and indexes, from `pg_class` and the present file sizes."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from advisor.catalog.rows import Oid, Row
from advisor.model.catalog import Storage


def storage(row: Row, block_size: int) -> Storage:
    """What `pg_class` and the file say. `size_bytes` of the row is None where there is no file."""
    size = row["size_bytes"]
    return Storage(
        analysed_pages=row["relpages"],
        analysed_rows=row["reltuples"],
        all_visible_pages=row["relallvisible"],
        pages=None if size is None else size // block_size,
    )


def row_estimates(relations: Sequence[Row], version_num: int, block_size: int) -> dict[Oid, float | None]:
    """Row counts as the planner's `estimate_rel_size` has them (optimizer/util/plancat.c), None where not known."""
    own = {row["oid"]: _row_estimate(row, version_num, block_size) for row in relations}
    # A partition that was never analysed is taken to be as dense as its siblings.
    known = [r for r in relations if r["kind"] == "r" and r["parent"] is not None]
    density: dict[Oid, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for row in known:
        rows = own[row["oid"]]
        if rows is not None:
            density[row["parent"]][0] += rows
            density[row["parent"]][1] += row["size_bytes"] or 0
    filled = dict(own)
    for row in known:
        rows, size = density[row["parent"]]
        if own[row["oid"]] is None and size > 0:
            filled[row["oid"]] = rows / size * (row["size_bytes"] or 0)
    sums = summed(filled, relations)
    return {row["oid"]: sums.get(row["oid"]) if row["kind"] == "p" else own[row["oid"]] for row in relations}


def _row_estimate(row: Row, version_num: int, block_size: int) -> float | None:
    tuples, pages = row["reltuples"], row["relpages"]
    never_analysed = tuples < 0 or (version_num < 140000 and pages == 0 and tuples == 0)
    if row["kind"] in ("v", "p") or never_analysed:
        return None
    if row["kind"] == "f":
        return float(tuples)
    now = (row["size_bytes"] or 0) // block_size
    if pages == 0:
        return 0.0 if now == 0 else None
    return float(round(tuples / pages * now))


def summed(values: Mapping[Oid, float | None], rows: Sequence[Row]) -> dict[Oid, Any]:
    """The values, where a parent without its own gets the sum of its descendants' known ones."""
    children: dict[Oid, list[Oid]] = defaultdict(list)
    for row in rows:
        if row["parent"] is not None:
            children[row["parent"]].append(row["oid"])

    def total(oid: Oid) -> float | None:
        own = values.get(oid)
        if own is not None or oid not in children:
            return own
        known = [value for child in children[oid] if (value := total(child)) is not None]
        return sum(known) if known else None

    return {oid: total(oid) for oid in values}
