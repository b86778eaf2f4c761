"""The version of the installed distribution."""

from importlib import metadata


def version() -> str:
    """As in `pyproject.toml`; `0+unknown` when run from a tree that was never installed."""
    try:
        return metadata.version("pg-query-advisor")
    except metadata.PackageNotFoundError:
        return "0+unknown"
