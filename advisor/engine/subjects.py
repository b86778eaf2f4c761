"""What a rule is called with, by scope: one value per thing of that scope in the evidence."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from advisor.engine.rule import Scope
from advisor.model.catalog import Index, Table
from advisor.model.evidence import Evidence
from advisor.model.migration import Migration, TracedStatement
from advisor.model.plan import PlanNode, walk
from advisor.model.usage import Usage
from advisor.model.workload import Query, QueryPlan, Repetition


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSubject:
    """A plan of the input; `number` is its position in the workload's plans."""

    number: int
    plan: QueryPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanNodeSubject:
    """A node of a plan; `path` is its child numbers from the root ("0.1.2")."""

    number: int
    plan: QueryPlan
    path: str
    node: PlanNode


@dataclass(frozen=True, slots=True, kw_only=True)
class QuerySubject:
    """A query with how it uses its tables; only queries that parse come here."""

    query: Query
    usage: Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitSubject:
    """A query repeated within units of work."""

    repetition: Repetition


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSubject:
    """A table of the catalog."""

    table: Table


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexSubject:
    """An index of the catalog with its table."""

    table: Table
    index: Index


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementSubject:
    """A statement of a migration; `number` is its position in the file."""

    migration: Migration
    statement: TracedStatement
    number: int


def plan_subjects(evidence: Evidence) -> Iterator[PlanSubject]:
    """Every plan of the input."""
    for number, plan in enumerate(evidence.workload.plans):
        yield PlanSubject(number=number, plan=plan)


def plan_node_subjects(evidence: Evidence) -> Iterator[PlanNodeSubject]:
    """Every node of every plan."""
    for number, plan in enumerate(evidence.workload.plans):
        for path, node in walk(plan.plan.root):
            yield PlanNodeSubject(number=number, plan=plan, path=path, node=node)


def query_subjects(evidence: Evidence) -> Iterator[QuerySubject]:
    """Every query that could be read."""
    for query in evidence.workload.queries:
        if (usage := evidence.usages.get(query.id)) is not None:
            yield QuerySubject(query=query, usage=usage)


def unit_subjects(evidence: Evidence) -> Iterator[UnitSubject]:
    """Every query repeated within units of work."""
    for repetition in evidence.workload.repetitions:
        yield UnitSubject(repetition=repetition)


def table_subjects(evidence: Evidence) -> Iterator[TableSubject]:
    """Every table of the catalog."""
    for table in evidence.catalog.tables.values() if evidence.catalog else ():
        yield TableSubject(table=table)


def index_subjects(evidence: Evidence) -> Iterator[IndexSubject]:
    """Every index of the catalog."""
    for table in evidence.catalog.tables.values() if evidence.catalog else ():
        for index in table.indexes:
            yield IndexSubject(table=table, index=index)


def statement_subjects(evidence: Evidence) -> Iterator[StatementSubject]:
    """Every statement of every migration, in the order of execution."""
    for migration in evidence.migrations:
        for number, statement in enumerate(migration.statements):
            yield StatementSubject(migration=migration, statement=statement, number=number)


def workload_subjects(evidence: Evidence) -> Iterator[Evidence]:
    """The evidence as a whole, once."""
    yield evidence


SUBJECTS: Mapping[Scope, Callable[[Evidence], Iterator[Any]]] = {
    "plan": plan_subjects,
    "plan_node": plan_node_subjects,
    "query": query_subjects,
    "unit": unit_subjects,
    "table": table_subjects,
    "index": index_subjects,
    "statement": statement_subjects,
    "workload": workload_subjects,
}
