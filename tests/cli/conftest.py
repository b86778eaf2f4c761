"""The command for the tests, and runs that several of them look at."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command import MIGRATIONS, SCHEMA, SHOP, Command, Ran


def _command(home: Path) -> Iterator[Command]:
    # Not within pytest's own folder: the server's account must be able to enter it, and a socket's path is short.
    with tempfile.TemporaryDirectory(prefix="adv-") as name:
        Path(name).chmod(0o755)
        temp = Path(name) / "t"
        temp.mkdir()
        temp.chmod(0o1777)
        yield Command(home, temp)


@pytest.fixture
def advisor(tmp_path: Path) -> Iterator[Command]:
    yield from _command(tmp_path)


@pytest.fixture(scope="session")
def shared_advisor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    yield from _command(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def shop(shared_advisor: Command) -> Ran:
    """The shop's log judged and tried, as JSON."""
    return shared_advisor("analyze", SHOP / "postgresql.log", "--schema", SCHEMA, "--format", "json")


@pytest.fixture(scope="session")
def first(shared_advisor: Command) -> Ran:
    """The dangerous migrations against the shop and its log, as JSON."""
    return shared_advisor(
        *("check", MIGRATIONS / "first", "--schema", SCHEMA),
        *("--workload", SHOP / "postgresql.log.gz", "--format", "json"),
    )


@pytest.fixture
def is_root() -> bool:
    return os.geteuid() == 0
