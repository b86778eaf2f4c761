"""Finding PostgreSQL's programs: look-alikes are passed over."""

import os
from pathlib import Path

import pytest

from advisor.errors import SandboxError
from advisor.sandbox.programs.binaries import embedded, local


def test_the_embedded_programs_are_found_and_say_their_version() -> None:
    found = embedded()
    assert found.version.startswith(f"{found.major}.")
    assert found.version in found.build
    assert (found.bin_folder / "initdb").is_file()


def test_a_folder_without_programs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="embedded PostgreSQL is not there"):
        embedded(tmp_path)


@pytest.mark.parametrize(
    "postgres",
    [b"#!/bin/sh\necho 'postgres (PostgreSQL) 12.1'\n", b"\x7fELF no program at all"],
    ids=["wrapper script", "does not run"],
)
def test_what_only_looks_like_a_server_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres: bytes
) -> None:
    for name in ("postgres", "initdb"):
        (tmp_path / name).write_bytes(postgres)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert local(12) is None
    found = local()
    assert found is None or found.bin_folder != tmp_path


def test_the_embedded_programs_do_not_count_as_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = embedded().bin_folder
    monkeypatch.setenv("PATH", str(folder))
    found = local(embedded().major)
    assert found is None or found.bin_folder != folder


def test_programs_on_the_path_are_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    installed = local()
    if installed is None:
        pytest.skip("no PostgreSQL server is installed here")
    (tmp_path / "bin").symlink_to(installed.bin_folder)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:relative/folder")
    assert local(installed.major) == installed


def test_folders_on_the_path_that_may_not_be_entered_are_passed_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may enter every folder")
    closed = tmp_path / "closed"
    (closed / "bin").mkdir(parents=True)
    closed.chmod(0)
    monkeypatch.setenv("PATH", str(closed / "bin"))
    try:
        local(99)
    finally:
        closed.chmod(0o700)
