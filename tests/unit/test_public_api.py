"""What `from advisor import …` gives, and that nothing is loaded before it is asked for."""

import subprocess
import sys

import pytest

import advisor
from advisor import api
from advisor.model.digest_file import DigestFile
from advisor.model.options import Options
from advisor.model.report import Report
from advisor.model.snapshot import Snapshot


@pytest.mark.parametrize("name", ["Interrupted", "analyze", "check", "digest", "merge", "snapshot", "twin"])
def test_the_commands_are_those_of_the_api(name: str) -> None:
    assert getattr(advisor, name) is getattr(api, name)


def test_what_the_commands_take_and_give() -> None:
    assert (advisor.Options, advisor.Report, advisor.Snapshot) == (Options, Report, Snapshot)
    assert advisor.DigestFile is DigestFile


def test_every_public_name_is_there() -> None:
    assert [name for name in advisor.__all__ if not hasattr(advisor, name)] == []


def test_another_name_is_not() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'anlyze'"):
        getattr(advisor, "anlyze")  # noqa: B009 - mypy knows that it is not there


def test_nothing_is_loaded_before_it_is_asked_for() -> None:
    program = "import sys, advisor; print(*[name for name in sys.modules if name.startswith('advisor.')])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
