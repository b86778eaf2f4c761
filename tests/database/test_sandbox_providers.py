"""Which server `--sandbox` gives, and what is said where it cannot."""

import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from advisor.errors import SandboxError, UsageError
from advisor.sandbox.cluster import template_folder
from advisor.sandbox.host import cache_folder
from advisor.sandbox.open import open_sandbox
from advisor.sandbox.programs.binaries import Binaries, embedded, local
from advisor.sandbox.programs.fetched import MAJORS, fetched
from advisor.sandbox.server import Sandbox


@pytest.fixture(scope="module")
def installed() -> Binaries:
    found = local()
    if found is None:
        pytest.skip("no PostgreSQL server is installed here")
    return found


def test_auto_without_a_target_is_the_embedded_one(sandbox: Sandbox) -> None:
    with open_sandbox() as opened:
        assert (opened.provider, opened.notice, opened.has_files) == ("embedded", None, True)
        assert opened.server_version_num == sandbox.server_version_num
        assert opened.server_version == embedded().version


def test_auto_takes_the_installed_server_of_the_targets_major(installed: Binaries) -> None:
    with open_sandbox(target_major=installed.major) as opened:
        assert (opened.provider, opened.server_version, opened.notice) == ("local", installed.version, None)
        with opened.connect() as connection:
            assert connection.execute("SHOW data_checksums").fetchone() == ("off",)


def test_auto_says_where_the_planner_is_not_the_targets() -> None:
    with open_sandbox(target_major=9) as opened:
        assert opened.provider == "embedded"
        assert opened.notice is not None
        assert "PostgreSQL 9" in opened.notice
        assert "install 9" not in opened.notice


def test_auto_says_how_to_get_the_targets_major(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    major = next(major for major in MAJORS if major != embedded().major and not local(major) and not fetched(major))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with open_sandbox(target_major=major) as opened:
        assert opened.provider == "embedded"
        assert f"advisor sandbox install {major}" in str(opened.notice)


def test_programs_replaced_in_their_place_get_a_template_of_their_own(tmp_path: Path) -> None:
    installation = embedded().bin_folder.parent
    shutil.copytree(installation / "bin", tmp_path / "bin")
    before = embedded(tmp_path)
    (tmp_path / "bin" / "postgres").touch()
    after = embedded(tmp_path)
    assert (before.version, before.bin_folder) == (after.version, after.bin_folder)
    assert template_folder(before, tmp_path) != template_folder(after, tmp_path)


def test_local_by_name(installed: Binaries) -> None:
    with open_sandbox("local") as opened:
        assert (opened.provider, opened.notice) == ("local", None)
        assert opened.server_version_num // 10000 == installed.major


def test_docker_is_refused_with_what_to_use_instead() -> None:
    with pytest.raises(SandboxError, match="Docker") as caught:
        open_sandbox("docker")
    assert "embedded" in caught.value.hint


def test_an_unknown_choice_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="embeded"):
        open_sandbox("embeded")


def test_a_damaged_template_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as cache:
        Path(cache).chmod(0o755)
        monkeypatch.setenv("XDG_CACHE_HOME", cache)
        for _ in range(2):
            with open_sandbox("embedded") as opened:
                assert opened.server_version
            template = template_folder(embedded(), cache_folder())
            assert (template / "data" / "global" / "pg_control").stat().st_size > 0
            (template / "data" / "global" / "pg_control").write_bytes(b"")


@pytest.fixture
def maker(sandbox: Sandbox) -> Iterator[str]:
    """The URL of a login with CREATEDB and CREATEROLE on the session's server, as a user's would be."""
    name, password = f"maker_{secrets.token_hex(4)}", secrets.token_hex(8)
    with sandbox.admin() as admin:
        admin.execute(f"CREATE ROLE {name} LOGIN CREATEDB CREATEROLE PASSWORD '{password}'".encode())
        admin.execute(f"GRANT CONNECT ON DATABASE postgres TO {name}".encode())
    yield f"postgresql://{name}:{password}@/postgres?{sandbox.url.partition('?')[2]}"
    with sandbox.admin() as admin:
        admin.execute(f"DROP OWNED BY {name}".encode())
        admin.execute(f"DROP ROLE {name}".encode())


def leftovers(sandbox: Sandbox) -> list[str]:
    with sandbox.admin() as admin:
        rows = admin.execute(
            "SELECT rolname::text FROM pg_roles WHERE rolname LIKE 'advisor\\_sandbox\\_%'"
            " UNION ALL SELECT datname FROM pg_database WHERE datname LIKE 'advisor\\_sandbox\\_%'"
        )
        return [name for (name,) in rows]


def test_a_given_server_gets_a_login_and_databases_that_go_again(sandbox: Sandbox, maker: str) -> None:
    with open_sandbox(maker, target_system_identifier="1") as given:
        assert (given.provider, given.data_directory, given.has_files) == ("url", None, False)
        given.create_database("lab")
        with given.connect("lab") as connection:
            connection.execute("CREATE TABLE t (x int)")
            row = connection.execute(
                "SELECT rolsuper, rolcreatedb FROM pg_roles WHERE rolname = current_user"
            ).fetchone()
            assert row == (False, False)
        with given.admin("lab") as admin:
            assert admin.execute("SELECT count(*) FROM public.t").fetchone() == (0,)
        with psycopg.connect(given.url_of("lab")) as connection:
            assert connection.execute("SELECT to_regclass('t') IS NOT NULL").fetchone() == (True,)
        given.drop_database("lab")
        assert leftovers(sandbox)
    assert leftovers(sandbox) == []


def test_a_given_server_of_sqlalchemys_spelling(sandbox: Sandbox, maker: str) -> None:
    with open_sandbox(maker.replace("postgresql:", "postgresql+psycopg:")) as given:
        assert given.server_version == sandbox.server_version


def test_the_target_itself_is_refused(sandbox: Sandbox, maker: str) -> None:
    with sandbox.admin() as admin:
        row = admin.execute("SELECT system_identifier::text FROM pg_control_system()").fetchone()
    assert row is not None
    with pytest.raises(SandboxError, match="target itself"):
        open_sandbox(maker, target_system_identifier=row[0])
    assert leftovers(sandbox) == []


def test_a_login_without_the_rights_is_refused(sandbox: Sandbox, maker: str) -> None:
    with sandbox.admin() as admin:
        admin.execute(f"ALTER ROLE {maker.split('/')[2].split(':')[0]} NOCREATEROLE".encode())
    with pytest.raises(SandboxError) as caught:
        open_sandbox(maker)
    assert "CREATEROLE" in caught.value.why
    assert "CREATEDB" not in caught.value.why
    assert leftovers(sandbox) == []


def test_a_server_that_does_not_answer() -> None:
    with pytest.raises(SandboxError, match="does not answer"):
        open_sandbox("postgresql://nobody@127.0.0.1:1/postgres")


def test_what_a_killed_run_left_on_a_given_server_is_dropped_by_the_next(sandbox: Sandbox, maker: str) -> None:
    script = "import os, sys\nfrom advisor.sandbox.open import open_sandbox\ns = open_sandbox(sys.argv[1])\nos._exit(9)"
    done = subprocess.run([sys.executable, "-c", script, maker], cwd=Path(__file__).parents[2], timeout=60)
    assert done.returncode == 9
    left = leftovers(sandbox)
    assert len(left) == 2
    with open_sandbox(maker) as living:
        assert not set(left) & set(leftovers(sandbox))
        with open_sandbox(maker), living.connect() as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    assert leftovers(sandbox) == []
