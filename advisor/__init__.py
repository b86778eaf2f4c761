"""Finds what makes PostgreSQL slow, says what to change, and proves it on a throwaway PostgreSQL first.

The commands as functions: `analyze` and `check` give a `Report`, `digest` and `merge` a `DigestFile`, `snapshot` a
`Snapshot`; `twin` is a context manager that opens a planner twin.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from advisor.api import Interrupted, analyze, check, digest, merge, snapshot, twin
    from advisor.model.digest_file import DigestFile
    from advisor.model.options import Options
    from advisor.model.report import Report
    from advisor.model.snapshot import Snapshot

__all__ = [
    "DigestFile",
    "Interrupted",
    "Options",
    "Report",
    "Snapshot",
    "analyze",
    "check",
    "digest",
    "merge",
    "snapshot",
    "twin",
]

_HOMES = {
    "analyze": "advisor.api",
    "check": "advisor.api",
    "digest": "advisor.api",
    "merge": "advisor.api",
    "snapshot": "advisor.api",
    "twin": "advisor.api",
    "Interrupted": "advisor.api",
    "DigestFile": "advisor.model.digest_file",
    "Options": "advisor.model.options",
    "Report": "advisor.model.report",
    "Snapshot": "advisor.model.snapshot",
}


def __getattr__(name: str) -> Any:
    """Loads the stages only when they are asked for: `advisor --help` needs none of them."""
    if name not in _HOMES:
        raise AttributeError(f"module 'advisor' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
