"""Fixtures for every folder: one throwaway server per session, one fresh database per test."""

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

from advisor.sandbox.open import open_sandbox
from advisor.sandbox.server import Sandbox

# CI judges a change by the same examples each time; every other run looks for new ones.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")

# A run in the background (`pytest &`, some CI runners) has SIGINT ignored, and every process started from it inherits
# that: the tests that press Ctrl-C would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """The embedded server, for the whole session: use `database` to write to it."""
    with open_sandbox("embedded") as opened:
        yield opened


@pytest.fixture
def database(sandbox: Sandbox, request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of an empty database, for `sandbox.connect(database)`; it is dropped after the test."""
    name = f"test_{abs(hash(request.node.nodeid)):x}"
    sandbox.create_database(name)
    yield name
    sandbox.drop_database(name)
