"""Everything a rule may look at."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from advisor.model.catalog import Catalog
from advisor.model.migration import Migration
from advisor.model.profile import DataProfile
from advisor.model.usage import Usage
from advisor.model.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The folded input beside the catalog; a part that is not at hand is None, and rules that need it are skipped.

    Attributes:
        usages: how each query uses its tables, by query id; only for queries that parse.
        profile: believed sizes and distributions of the tables, by name.
        catalog_after: the catalog after the last migration (`check` only).
    """

    workload: Workload = field(default_factory=Workload)
    catalog: Catalog | None = None
    usages: Mapping[str, Usage] = field(default_factory=dict)
    profile: DataProfile = field(default_factory=dict)
    migrations: tuple[Migration, ...] = ()
    catalog_after: Catalog | None = None
