"""Configuration files."""

from pathlib import Path

import pytest

from advisor.cli.config import configured
from advisor.cli.group import cli
from advisor.errors import UsageError


def write(folder: Path, text: str, name: str = "advisor.toml") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_every_command_gets_what_it_knows(tmp_path: Path) -> None:
    settings = 'select = ["IDX", "NPO"]\nworkload = "a.log"\nformat = ["json"]\nquiet = true\nmin-calls = 3\n'
    maps = configured(cli, write(tmp_path, settings + "table-rows = { orders = 10, users = 20 }\n"))
    shared = {"select": "IDX,NPO", "formats": ["json"], "quiet": True, "min_calls": 3}
    shared["table_rows"] = "orders=10,users=20"
    assert maps["analyze"] == shared
    assert maps["check"] == shared | {"workload": ["a.log"]}
    assert maps["rules"] == {}


def test_the_nearest_file_counts(tmp_path: Path) -> None:
    write(tmp_path, "min-calls = 1\n")
    write(tmp_path / "a", "[tool.other]\nx = 1\n", "pyproject.toml")
    inner = write(tmp_path / "a" / "b", "")
    (inner / "advisor.toml").unlink()
    assert configured(cli, inner)["analyze"] == {"min_calls": 1}
    write(tmp_path / "a", "[tool.advisor]\nmin-calls = 2\n", "pyproject.toml")
    assert configured(cli, inner)["analyze"] == {"min_calls": 2}


@pytest.mark.parametrize(
    ("text", "said"), [("slect = 1", "Did you mean select"), ("zzzz = 1", "Known keys: "), ("x = ", "advisor.toml")]
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        configured(cli, write(tmp_path, text))
    assert said in str(error.value)
