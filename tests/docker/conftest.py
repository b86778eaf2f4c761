"""What the tests of the Docker sandbox share: an engine with an image, and a way to it that is no socket.

Run by `tests/docker/engine.sh`, on an engine of its own; or on any engine, with `ADVISOR_DOCKER_IMAGE`, or with an
official image that is there already.
"""

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from advisor.sandbox.docker import open_docker
from advisor.sandbox.docker_engine import PostgresImage, docker_status, engine
from advisor.sandbox.host import NAME
from advisor.sandbox.server import Sandbox


@pytest.fixture(scope="session")
def image() -> PostgresImage:
    """The image to test with; skips where there is no engine or no image."""
    status = docker_status()
    if not status.answers:
        pytest.skip(f"{status.problem}")
    wanted = os.environ.get("ADVISOR_DOCKER_IMAGE")
    found = [
        image
        for image in status.images
        if image.name == wanted or (wanted is None and image.name.startswith("postgres:"))
    ]
    if not found:
        pytest.skip(f"the Docker engine has no image {wanted or 'postgres:…'}")
    return found[-1]


@pytest.fixture(scope="session")
def client(image: PostgresImage) -> Iterator[Any]:
    """The client library's own door, to look at what the sandbox did."""
    with engine(60) as opened:
        yield opened


@pytest.fixture(scope="module")
def shared(image: PostgresImage) -> Iterator[Sandbox]:
    """A server whose files are ours."""
    with open_docker(id="S1", image=image.name) as sandbox:
        if not sandbox.has_files:
            pytest.skip("this engine does not share our files")
        yield sandbox


@pytest.fixture(scope="module")
def published(image: PostgresImage) -> Iterator[Sandbox]:
    """A server behind a port: the engine is reached by TCP, and so need not have our files."""
    with behind_a_port() as address, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", address)
        with open_docker(id="S1", image=image.name) as sandbox:
            yield sandbox


@pytest.fixture(scope="module", params=["shared", "published"])
def either(request: pytest.FixtureRequest) -> Sandbox:
    """Both ways, one after the other."""
    sandbox: Sandbox = request.getfixturevalue(request.param)
    return sandbox


def ours(client: Any) -> list[str]:
    """The names of the containers and networks that sandboxes have on the engine."""
    containers = client.api.containers(all=True, filters={"label": f"{NAME}.pid"})
    networks = client.api.networks(filters={"label": f"{NAME}.pid"})
    return [facts["Names"][0] for facts in containers] + [facts["Name"] for facts in networks]


@contextmanager
def behind_a_port() -> Iterator[str]:
    """Forwards a port of this machine to the engine's socket, as `ssh -L` would; its address."""
    path = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(lambda *ends: _forward(path, *ends), "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        asyncio.run_coroutine_threadsafe(_end(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _forward(path: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    engine_reader, engine_writer = await asyncio.open_unix_connection(path)
    await asyncio.gather(_pump(reader, engine_writer), _pump(engine_reader, writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def _end(server: asyncio.Server) -> None:
    server.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
