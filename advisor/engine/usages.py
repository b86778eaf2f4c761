"""How each query of a workload uses its tables."""

from collections.abc import Mapping

from advisor.errors import SqlError
from advisor.model.catalog import Catalog
from advisor.model.usage import Usage
from advisor.model.workload import Query, Workload
from advisor.sql.bind import count_parameters, inline_parameters
from advisor.sql.usage import usage_of


def usages_of(workload: Workload, catalog: Catalog | None) -> Mapping[str, Usage]:
    """The usage of every query that parses, by query id; empty without a catalog, which alone can tell columns apart.

    It is read from an execution as it was, bind values in place, so that rules see real constants; from the
    normalised text where no execution was kept.
    """
    if catalog is None:
        return {}
    return {query.id: usage for query in workload.queries if (usage := _usage(query, catalog)) is not None}


def _usage(query: Query, catalog: Catalog) -> Usage | None:
    try:
        return usage_of(_typical_text(query), catalog)
    except SqlError:
        pass
    try:
        return usage_of(query.sql, catalog)
    except SqlError:
        return None


def _typical_text(query: Query) -> str:
    sample = next(iter(query.samples), None)
    if sample is None:
        return query.sql
    if sample.parameters is None or count_parameters(sample.sql) > len(sample.parameters):
        return sample.sql
    return inline_parameters(sample.sql, sample.parameters)
