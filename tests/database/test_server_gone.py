"""The throwaway server is killed in the middle of a run: an error in words, and nothing is left."""

import signal
from pathlib import Path

import psutil
import pytest

from advisor.api import analyze
from advisor.errors import SandboxError

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"


def postmaster() -> psutil.Process:
    """The server that this process has started last."""
    servers = [child for child in psutil.Process().children() if child.name() == "postgres"]
    return max(servers, key=lambda server: server.create_time())


@pytest.mark.parametrize("stage", ["Preparing", "Building", "Trying"])
def test_killed_at_a_stage(stage: str) -> None:
    killed: list[psutil.Process] = []

    def kill(what: str, done: int, total: int) -> None:
        if what.startswith(stage) and not killed:
            killed.append(postmaster())
            killed[0].send_signal(signal.SIGQUIT)
            killed[0].wait(10)

    with pytest.raises(SandboxError) as raised:
        analyze(
            [str(FIXTURES / "logs/shop/postgresql.log.gz")],
            schema=str(FIXTURES / "schemas/shop.sql"),
            progress=kill,
        )
    assert killed
    assert "throwaway PostgreSQL" in raised.value.what
    assert raised.value.hint
