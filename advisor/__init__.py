"""Finds what makes PostgreSQL slow, says what to change, and proves it on a throwaway PostgreSQL first.

`analyze` and `check` are the two commands as functions; both give a `Report`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from advisor.api import Interrupted, analyze, check
    from advisor.model.options import Options
    from advisor.model.report import Report

__all__ = ["Interrupted", "Options", "Report", "analyze", "check"]

_HOMES = {
    "analyze": "advisor.api",
    "check": "advisor.api",
    "Interrupted": "advisor.api",
    "Options": "advisor.model.options",
    "Report": "advisor.model.report",
}


def __getattr__(name: str) -> Any:
    """Loads the stages only when they are asked for: `advisor --help` needs none of them."""
    if name not in _HOMES:
        raise AttributeError(f"module 'advisor' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
