"""Sequential scans that plans in the input show, and what they say about a query without a statement or a catalog."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from advisor.errors import SqlError
from advisor.model.catalog import Catalog, Column, Table
from advisor.model.names import QualifiedName
from advisor.model.plan import PlanNode, walk
from advisor.model.profile import ColumnProfile, DataProfile, TableProfile
from advisor.model.usage import Usage
from advisor.model.workload import QueryPlan
from advisor.plans.measures import scans
from advisor.sql.quote import quote_identifier, quote_name
from advisor.sql.usage import usage_of

_RELABELLED = re.compile(r'\(((?:[\w$]+|"(?:[^"]|"")+")(?:\.(?:[\w$]+|"(?:[^"]|"")+"))?)\)::(?:text|character varying)')
"""A varchar column as plans print it, `((email)::text = …)`: a change of label, not of value."""

_WORD = re.compile(r"'(?:[^']|'')*'|\"((?:[^\"]|\"\")+)\"|([A-Za-z_\x80-\U0010ffff][\w$]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenScan:
    """A scan of a table in an analysed plan, per execution of the node.

    Attributes:
        number, path: of the plan in the workload and of the node in the plan.
        rows: the table's rows as the scan met them (all of them, if it was sequential and not cut short).
        kept: of those, the ones it returned.
    """

    number: int
    path: str
    query_id: str | None
    relation: QualifiedName
    alias: str | None
    sequential: bool
    rows: float
    kept: float
    time_ms: float | None


def seen_scans(plans: tuple[QueryPlan, ...]) -> Iterator[SeenScan]:
    """The scans of every analysed plan that were executed at least once."""
    for number, plan in enumerate(plans):
        nodes = dict(walk(plan.plan.root))
        for scan in scans(plan.plan):
            if scan.rows_visited is None or scan.rows_returned is None or not scan.loops:
                continue
            # The processes of a parallel scan share one pass over the table; other loops each make their own.
            passes = 1 if nodes[scan.path].extra.get("Parallel Aware") else scan.loops
            yield SeenScan(
                number=number,
                path=scan.path,
                query_id=plan.query_id,
                relation=scan.relation,
                alias=scan.alias,
                sequential=scan.node_type == "Seq Scan",
                rows=scan.rows_visited / passes,
                kept=scan.rows_returned / passes,
                time_ms=scan.time_ms,
            )


def scans_by_query(plans: tuple[QueryPlan, ...]) -> Mapping[str, list[SeenScan]]:
    """The executed scans of each query that came with plans, by query id."""
    found: dict[str, list[SeenScan]] = defaultdict(list)
    for scan in seen_scans(plans):
        if scan.query_id is not None:
            found[scan.query_id].append(scan)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedAccess:
    """A sequential scan put back into words: a statement on one table, with what is known of that table."""

    scan: SeenScan
    statement: str
    usage: Usage
    catalog: Catalog
    profile: DataProfile


def planned_accesses(
    plans: tuple[QueryPlan, ...], known_queries: frozenset[str], catalog: Catalog | None
) -> Iterator[PlannedAccess]:
    """The sequential scans of plans whose statement is not at hand, each as a statement of its own.

    The table is the catalog's where there is one; else it is made up from the plan's filter.
    """
    done: set[tuple[int, QualifiedName, str | None]] = set()
    for scan in seen_scans(plans):
        if not scan.sequential or scan.query_id in known_queries:
            continue
        root = plans[scan.number].plan.root
        nodes = _ancestors(root, scan.path)
        table = _table(scan, nodes, catalog)
        statement = _statement(root, scan, table)
        # Partitions of one table are read alike: an index on the table serves them all.
        reading = (scan.number, table.name, nodes[-1].filter)
        if statement is None or (table.kind == "partitioned_table" and reading in done):
            continue
        done.add(reading)
        around = _made_up(table) if catalog is None else catalog
        try:
            usage = usage_of(statement, around)
        except SqlError:
            continue
        profile = {table.name: TableProfile(rows=round(scan.rows), basis="plan", columns=_columns(scan, usage))}
        yield PlannedAccess(scan=scan, statement=statement, usage=usage, catalog=around, profile=profile)


def _columns(scan: SeenScan, usage: Usage) -> Mapping[str, ColumnProfile]:
    """What the scan's share of kept rows says of the first column it compares by equality."""
    compared = [p.column for p in usage.scopes[0].predicates if p.kind == "equality" and p.column is not None]
    distinct = max(scan.rows / max(scan.kept, 1.0), 1.0)
    return {column: ColumnProfile(distinct=distinct, basis="plan") for column in compared[:1]}


def _table(scan: SeenScan, above: list[PlanNode], catalog: Catalog | None) -> Table:
    known = _known(scan.relation, catalog) if catalog else None
    while known is not None and catalog is not None and known.partition_of is not None:
        known = catalog.tables.get(known.partition_of)
    if known is not None:
        return known
    words = " ".join((above[-1].filter or "", *above[-1].output, *(key for node in above for key in node.sort_key)))
    columns = (a or b for a, b in _WORD.findall(words))
    made_up = tuple(Column(name=name, type="unknown", base_type="unknown") for name in dict.fromkeys(columns) if name)
    return Table(name=scan.relation, kind="table", columns=made_up)


def _known(relation: QualifiedName, catalog: Catalog) -> Table | None:
    """The catalog's table; plans name no schema, so one that is not on the search path may be meant."""
    found = catalog.resolve(relation.name, relation.schema or None)
    if found is not None or relation.schema:
        return found
    alike = [table for name, table in catalog.tables.items() if name.name == relation.name]
    return alike[0] if len(alike) == 1 else None


def _made_up(table: Table) -> Catalog:
    return Catalog(
        server_version_num=0,
        server_version="",
        database="",
        tables={table.name: table},
        search_path=(table.name.schema,),
    )


def _statement(root: PlanNode, scan: SeenScan, table: Table) -> str | None:
    """The scan's filter and, where it is all that a top-N sort reads, the sort, as a statement."""
    above = _ancestors(root, scan.path)
    node = above[-1]
    alias = quote_identifier(scan.alias or table.name.name)
    sql = f"SELECT * FROM {quote_name(table.name)} AS {alias}"
    if node.filter:
        sql += f" WHERE {_RELABELLED.sub(lambda match: match[1], node.filter)}"
    inner = [n.node_type for n in above if n.node_type not in {"Gather", "Gather Merge", "Seq Scan", "Result"}]
    sort = next((n for n in above if n.node_type == "Sort"), None)
    if sort is not None and inner[-2:] == ["Limit", "Sort"] and sort.sort_key:
        return f"{sql} ORDER BY {', '.join(sort.sort_key)} LIMIT {_limit(above)}"
    return sql if node.filter else None


def _limit(above: list[PlanNode]) -> int:
    node = next(n for n in above if n.node_type == "Limit")
    return max(1, round(node.actual_rows if node.actual_rows is not None else node.plan_rows or 1))


def _ancestors(root: PlanNode, path: str) -> list[PlanNode]:
    """The nodes from the root down to a path, the node itself last."""
    nodes = [root]
    for number in path.split(".")[1:]:
        nodes.append(nodes[-1].children[int(number)])
    return nodes
