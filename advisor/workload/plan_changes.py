"""How plans of a query differ between two inputs: how each table is read, how tables are joined, new indexes."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from advisor.model.difference import IndexUse, PlanChange
from advisor.model.plan import Plan, PlanNode, walk
from advisor.model.workload import Workload

_JOINS = frozenset({"Nested Loop", "Hash Join", "Merge Join"})

PlansById = Mapping[str, Sequence[Plan]]


def plans_by_query(workload: Workload) -> PlansById:
    """The input's plans of each query."""
    found: dict[str, list[Plan]] = defaultdict(list)
    for each in workload.plans:
        if each.query_id is not None:
            found[each.query_id].append(each.plan)
    return found


def plan_change(old: Sequence[Plan], new: Sequence[Plan]) -> PlanChange | None:
    """What no old and new plan have in common; None where there is no such thing, or no plan on one side.

    A table that only one side reads is left out: which partitions are read depends on the values.
    """
    if not old or not new:
        return None
    before, after = _accesses(old), _accesses(new)
    lines = [
        f"{table}: {_listed(before[table])} -> {_listed(after[table])}"
        for table in sorted(before.keys() & after.keys())
        if not before[table] & after[table]
    ]
    joins = {_joins(plan) for plan in old}, {_joins(plan) for plan in new}
    if before.keys() == after.keys() and not joins[0] & joins[1]:
        lines.append(f"joins: {_joined(joins[0])} -> {_joined(joins[1])}")
    if not lines:
        return None
    return PlanChange(lines=tuple(lines), indexes=tuple(sorted(_indexes(new).keys() - _indexes(old).keys())))


def new_indexes(old: Workload, new: Workload, old_id_of: Mapping[str, str]) -> tuple[IndexUse, ...]:
    """Indexes that plans of the new input use and none of the old. `old_id_of`: old ids by new ones."""
    old_plans, new_plans = plans_by_query(old), plans_by_query(new)
    known = set(_indexes(each.plan for each in old.plans))
    users: dict[str, list[str]] = defaultdict(list)
    tables: dict[str, str] = {}
    for query_id, plans in sorted(new_plans.items()):
        for name, table in _indexes(plans).items():
            if name not in known:
                users[name].append(query_id)
                tables[name] = table
    return tuple(
        IndexUse(
            name=name,
            table=tables[name],
            queries=tuple(users[name]),
            before=any(old_plans.get(old_id_of.get(query_id, "")) for query_id in users[name]),
        )
        for name in sorted(users)
    )


def indexes_in_use(workload: Workload) -> frozenset[str]:
    """Names of the indexes that the input's plans use."""
    return frozenset(_indexes(each.plan for each in workload.plans))


def _accesses(plans: Sequence[Plan]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for plan in plans:
        for _, node in walk(plan.root):
            if node.relation is not None and node.node_type.endswith("Scan"):
                found[_table(node)].add(_access(node))
    return found


def _access(node: PlanNode) -> str:
    names = sorted(set(_index_names(node)))
    return f"{node.node_type} using {', '.join(names)}" if names else node.node_type


def _index_names(node: PlanNode) -> Iterator[str]:
    """A scan's own index; of a bitmap scan those below it."""
    if node.index_name is not None:
        yield node.index_name
    if node.node_type == "Bitmap Heap Scan":
        yield from (below.index_name for _, below in walk(node) if below is not node and below.index_name)


def _indexes(plans: Iterable[Plan]) -> dict[str, str]:
    """Tables by the names of the indexes used."""
    found = {}
    for plan in plans:
        for _, node in walk(plan.root):
            if node.relation is not None:
                found.update(dict.fromkeys(_index_names(node), _table(node)))
    return found


def _table(node: PlanNode) -> str:
    return str(node.relation).removeprefix(".")


def _joins(plan: Plan) -> tuple[str, ...]:
    return tuple(sorted(node.node_type for _, node in walk(plan.root) if node.node_type in _JOINS))


def _joined(kinds: set[tuple[str, ...]]) -> str:
    return _listed({" + ".join(kind) or "none" for kind in kinds})


def _listed(names: set[str]) -> str:
    return " or ".join(sorted(names))
