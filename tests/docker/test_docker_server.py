"""A server in Docker, by both ways in: rows, rights, files, network, and how the container is bound."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import psycopg
import pytest

from advisor.errors import SandboxError
from advisor.sandbox.docker import open_docker
from advisor.sandbox.docker_engine import PostgresImage, docker_status, image_at_hand
from advisor.sandbox.open import open_sandbox
from advisor.sandbox.server import Sandbox
from tests.database.test_sandbox_rights import ATTACKS
from tests.docker.conftest import ours

pytestmark = pytest.mark.docker

BLOCK_BYTES = 8192


def container_of(client: Any, sandbox: Sandbox) -> dict[str, Any]:
    """What the engine knows of the sandbox's container: by its folder's name, else the one that publishes its port."""
    if sandbox.data_directory is not None:
        name = Path(sandbox.data_directory).parent.name
        facts: dict[str, Any] = client.api.inspect_container(name)
        return facts
    port = psycopg.conninfo.conninfo_to_dict(sandbox.url)["port"]
    for name in ours(client):
        if name.startswith("/"):
            facts = client.api.inspect_container(name[1:])
            bindings = (facts["HostConfig"]["PortBindings"] or {}) and facts["NetworkSettings"]["Ports"]["5432/tcp"]
            if any(binding["HostPort"] == port for binding in bindings or ()):
                return facts
    raise AssertionError(f"no container publishes {port}")


def test_rows_go_in_and_out(either: Sandbox) -> None:
    with either.connect() as connection:
        connection.execute("CREATE TABLE rows AS SELECT i, md5(i::text) AS t FROM generate_series(1, 10000) i")
        connection.execute("CREATE INDEX ON rows (t)")
        assert connection.execute("SELECT current_user, sum(i) FROM rows").fetchone() == ("advisor_user", 50005000)
        connection.execute("DROP TABLE rows")
    with either.admin() as connection:
        assert connection.execute("SELECT rolname, rolsuper FROM pg_roles WHERE rolname = current_user").fetchone() == (
            "advisor_admin",
            True,
        )


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused(shared: Sandbox, name: str) -> None:
    with shared.admin(), shared.connect() as connection:
        connection.autocommit = True
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(ATTACKS[name].encode())
        connection.execute("DROP TABLE IF EXISTS t")


def test_an_attack_is_refused_behind_a_port(published: Sandbox) -> None:
    for attack in ("COPY (SELECT 1) TO PROGRAM 'id'", "SELECT pg_read_file('/etc/passwd')", "CREATE EXTENSION dblink"):
        with published.connect() as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(attack.encode())


def test_no_one_enters_without_a_password(either: Sandbox) -> None:
    for user in ("advisor_admin", "advisor_user"):
        where: dict[str, Any] = psycopg.conninfo.conninfo_to_dict(either.url)
        for password in ("", "postgres"):
            with pytest.raises(psycopg.OperationalError):
                psycopg.connect(**{**where, "user": user, "password": password})


def test_the_settings_are_ours(either: Sandbox) -> None:
    names = ("fsync", "autovacuum", "data_checksums", "temp_file_limit", "jit")
    with either.admin() as connection:
        shown = [connection.execute(f"SHOW {name}".encode()).fetchone() for name in names]
        assert shown == [("off",), ("off",), ("off",), ("8GB",), ("off",)]
        collation = connection.execute("SELECT datcollate FROM pg_database WHERE datname = 'sandbox'").fetchone()
    assert collation is not None
    assert collation[0] not in ("C", "POSIX")


def test_the_logins_passwords_stand_in_no_environment(either: Sandbox, client: Any) -> None:
    facts = container_of(client, either)
    where: dict[str, Any] = psycopg.conninfo.conninfo_to_dict(either.url)
    assert str(where["password"]) not in str(facts)
    logins = [entry for entry in facts["Config"]["Env"] if "ALTER ROLE advisor_admin PASSWORD" in entry]
    first = logins[0].split("PASSWORD '")[1].split("'")[0]
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(**{**where, "user": "advisor_admin", "password": first, "dbname": "postgres"})


def test_the_container_is_bound(either: Sandbox, client: Any) -> None:
    facts = container_of(client, either)
    host = facts["HostConfig"]
    assert (host["AutoRemove"], host["ReadonlyRootfs"], host["Privileged"]) == (True, True, False)
    assert host["CapDrop"] == ["ALL"]
    assert "no-new-privileges" in host["SecurityOpt"]
    assert host["Memory"] == host["MemorySwap"] == 4 << 30
    assert host["PidsLimit"] == 256
    assert facts["Config"]["User"] not in ("", "0", "root")


def test_a_server_with_our_files_has_no_network(shared: Sandbox, client: Any) -> None:
    facts = container_of(client, shared)
    assert facts["HostConfig"]["NetworkMode"] == "none"
    assert not facts["NetworkSettings"]["Ports"]
    code, said = client.containers.get(facts["Id"]).exec_run(
        ["sh", "-c", "while read -r l; do echo $l; done </proc/net/dev"]
    )
    interfaces = [line.split(":")[0] for line in said.decode().splitlines()[2:]]
    # Tunnels that the kernel puts into every namespace are down and lead nowhere.
    assert code == 0
    assert not [name for name in interfaces if name.startswith(("eth", "en", "veth"))]


def test_a_published_port_is_on_loopback_alone(published: Sandbox, client: Any) -> None:
    facts = container_of(client, published)
    bindings = facts["NetworkSettings"]["Ports"]
    assert [binding["HostIp"] for each in bindings.values() for binding in each or ()] == ["127.0.0.1"]
    (network,) = facts["NetworkSettings"]["Networks"]
    options = client.api.inspect_network(network)["Options"]
    assert options["com.docker.network.bridge.enable_ip_masquerade"] == "false"
    assert (published.has_files, published.data_directory) == (False, None)


def test_the_data_directory_is_ours_to_write_to(shared: Sandbox) -> None:
    """A file extended without content is a table of that many empty pages, to the planner and to `pg_relation_size`."""
    assert shared.data_directory is not None
    data = Path(shared.data_directory)
    assert data.parent.stat().st_mode & 0o777 == 0o700
    with shared.connect() as connection:
        connection.execute("CREATE TABLE sparse (x int)")
        connection.commit()
        row = connection.execute("SELECT pg_relation_filepath('sparse')").fetchone()
        assert row is not None
        os.truncate(data / row[0], 1000 * BLOCK_BYTES)
        size = connection.execute("SELECT pg_relation_size('sparse')").fetchone()
        assert size == (1000 * BLOCK_BYTES,)
        assert (data / row[0]).stat().st_blocks == 0
        assert connection.execute("SELECT count(*) FROM sparse").fetchone() == (0,)
        plan = connection.execute("EXPLAIN (FORMAT JSON) SELECT * FROM sparse").fetchone()
        assert plan is not None
        # One page costs seq_page_cost, 1.
        assert plan[0][0]["Plan"]["Total Cost"] > 1000


def test_the_image_named_is_the_one_taken(image: PostgresImage, client: Any) -> None:
    other = "advisor-test-other:latest"
    client.api.tag(image.name, "advisor-test-other", "latest", force=True)
    try:
        with open_sandbox("docker", target_major=image.major, docker_image=other) as sandbox:
            assert sandbox.provider == "docker"
            assert sandbox.notice is None
            assert sandbox.server_version_num // 10000 == image.major
            assert container_of(client, sandbox)["Config"]["Image"] == other
    finally:
        client.api.remove_image(other)


def test_another_major_than_the_targets_is_said(image: PostgresImage) -> None:
    with open_docker(id="S1", target_major=image.major - 1, image=image.name) as sandbox:
        assert sandbox.notice is not None
        assert f"PostgreSQL {image.major - 1}" in sandbox.notice


def test_the_status_names_engine_and_images(image: PostgresImage, client: Any) -> None:
    status = docker_status()
    assert status.version == client.version()["Version"]
    assert image in status.images
    assert image_at_hand(image.name)
    assert not image_at_hand("advisor-test-missing:1")


@pytest.mark.parametrize("may_pull", [False, True])
def test_an_image_that_cannot_be_had_is_an_error(client: Any, may_pull: bool) -> None:
    missing = "127.0.0.1:1/advisor-test-missing:1"
    before = ours(client)
    with pytest.raises(SandboxError, match="advisor-test-missing") as caught:
        open_docker(id="S1", image=missing, may_pull=may_pull)
    assert "docker pull" in caught.value.hint
    assert ours(client) == before


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"PG_MAJOR": "15", "PATH": "/nowhere"}, "does not come up"),
        ({"PG_MAJOR": "99"}, "does not come up"),
        ({"PG_MAJOR": ""}, "does not say"),
        ({"PG_MAJOR": "12"}, "holds PostgreSQL 12"),
    ],
)
def test_an_image_made_otherwise_is_an_error(
    image: PostgresImage, client: Any, change: dict[str, str], what: str
) -> None:
    """99 has a flag that the older initdb does not know."""
    base = client.api.create_container(image.name, command="true")
    settings = [f"ENV {name}={value}" for name, value in change.items()]
    client.api.commit(base, "advisor-test-broken", changes=settings)
    client.api.remove_container(base, v=True)
    before = ours(client)
    try:
        with pytest.raises(SandboxError, match=what) as caught:
            open_docker(id="S1", image="advisor-test-broken")
        assert caught.value.why
        assert ours(client) == before
    finally:
        client.api.remove_image("advisor-test-broken", force=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can have a file system of its own")
def test_an_engine_with_other_files_publishes_a_port(image: PostgresImage, tmp_path: Path) -> None:
    """As seen from within another container: the socket is the engine's, the temp folder is not."""
    script = (
        "from advisor.sandbox.docker import open_docker\n"
        f"with open_docker(id='S1', image={image.name!r}) as sandbox, sandbox.connect() as connection:\n"
        "    print(sandbox.has_files, connection.execute('SELECT 1').fetchone())"
    )
    command = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none "$TMPDIR" && exec "$@"', "sh"]
    folder = Path(tempfile.mkdtemp(prefix="advisor-test-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        done = subprocess.run(
            [*command, sys.executable, "-c", script],
            capture_output=True,
            text=True,
            env={**os.environ, "TMPDIR": str(folder), "PYTHONPATH": str(Path(__file__).parents[2])},
        )
    finally:
        folder.rmdir()
    assert (done.stderr, done.stdout) == ("", "False (1,)\n")
