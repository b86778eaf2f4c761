"""What is packaged is what lies in the folders."""

import importlib.metadata
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.house.files import ROOT

BACKEND = 77
"""The setuptools that `pyproject.toml` asks for."""


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout, since a build writes into its source."""
    copy = tmp_path_factory.mktemp("source")
    for name in ("advisor", "rules"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy / name)
    return copy


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> zipfile.Path:
    dist = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(dist)]
    if int(importlib.metadata.version("setuptools").split(".")[0]) >= BACKEND:
        command.append("--no-build-isolation")
    built = subprocess.run([*command, str(source)], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return zipfile.Path(next(dist.glob("*.whl")))


def test_the_package_list_is_the_folders(project: dict[str, Any]) -> None:
    folders = {
        str(path.parent.relative_to(ROOT)).replace("/", ".")
        for name in ("advisor", "rules")
        for path in (ROOT / name).rglob("__init__.py")
    }
    renamed = {f"advisor_{name}" if name.split(".")[0] == "rules" else name for name in folders}
    listed = project["tool"]["setuptools"]["packages"]
    assert sorted(renamed) == listed


def test_the_wheels_modules_are_the_checkouts(wheel: zipfile.Path, source: Path) -> None:
    for folder, name in (("advisor", "advisor"), ("rules", "advisor_rules")):
        files = {path.relative_to(source / folder): path for path in (source / folder).rglob("*.py")}
        assert files
        for relative, path in files.items():
            packed = wheel / name / relative.as_posix()
            assert packed.is_file(), packed
            assert packed.read_bytes() == path.read_bytes()


def test_the_wheel_has_the_data_and_nothing_of_the_checkout(wheel: zipfile.Path) -> None:
    names = set(wheel.root.namelist())
    assert {"advisor/py.typed", "advisor/demo/shop.sql", "advisor/report/schemas/report.json"} <= names
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"advisor", "advisor_rules"}


def test_the_scripts_start_the_command(project: dict[str, Any]) -> None:
    scripts = project["project"]["scripts"]
    assert set(scripts) == {"advisor", "pg-query-advisor"}
    for target in scripts.values():
        module, _, function = target.partition(":")
        assert (ROOT / Path(*module.split("."))).with_suffix(".py").is_file()
        assert callable(getattr(importlib.import_module(module), function))


def test_the_version_has_its_changes(project: dict[str, Any]) -> None:
    assert f"## [{project['project']['version']}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
