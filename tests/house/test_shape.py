"""The shape of the checkout: what lies at its top, and how long a module may be."""

import ast
import subprocess

import pytest

from tests.house.files import ROOT, python_files

TOP = {
    *("advisor", "rules", "fixtures", "tests", "pyproject.toml", "README.md"),
    *("LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", ".gitignore", ".ci", ".github"),
    *(".pre-commit-hooks.yaml", "action.yml", "Dockerfile"),
}

MAX_MODULE_LINES = 450
"""About 400, as the house has it, with room for a table of data."""


def test_nothing_else_lies_at_the_top() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {name.split("/")[0] for name in listed.stdout.splitlines()} <= TOP


def test_modules_are_short() -> None:
    lengths = {
        str(path): len((ROOT / path).read_text(encoding="utf-8").splitlines())
        for path in python_files("advisor", "rules")
    }
    assert {path: length for path, length in lengths.items() if length > MAX_MODULE_LINES} == {}


def test_modules_and_packages_say_what_they_are() -> None:
    silent = [
        str(path)
        for path in python_files("advisor", "rules")
        if ast.get_docstring(ast.parse((ROOT / path).read_text(encoding="utf-8"))) is None
    ]
    assert silent == []


def test_test_files_can_be_imported_beside_each_other() -> None:
    folders = {path.parent for path in python_files("tests") if path.name.startswith("test_")}
    assert [str(folder) for folder in folders if not (ROOT / folder / "__init__.py").exists()] == []
