"""Where the server's files may lie, asked of real folders."""

import os
from pathlib import Path

import pytest

from advisor.errors import SandboxError
from advisor.sandbox.host import Account, may_enter, server_account, temp_folder

STRANGER = Account(name="stranger", uid=54321, gid=54321, dropped=True)


def owner_of(path: Path) -> Account:
    status = path.stat()
    return Account(name="owner", uid=status.st_uid, gid=status.st_gid, dropped=True)


def test_a_private_folder_anywhere_on_the_way_keeps_strangers_out(tmp_path: Path) -> None:
    for path in (tmp_path, *tmp_path.parents):
        if path.stat().st_uid == os.geteuid() and path.is_relative_to("/tmp") and path != Path("/tmp"):
            path.chmod(0o755)
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    inner.chmod(0o755)
    (tmp_path / "a").chmod(0o755)
    open_before = may_enter(inner, STRANGER)
    (tmp_path / "a").chmod(0o700)
    assert not may_enter(inner, STRANGER)
    assert may_enter(inner, owner_of(inner))
    (tmp_path / "a").chmod(0o755)
    assert may_enter(inner, STRANGER) == open_before


def test_a_link_is_followed_to_where_it_leads(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(private)
    assert not may_enter(tmp_path / "link", STRANGER)


def test_the_account_is_never_root() -> None:
    account = server_account()
    assert account.uid != 0
    assert account.dropped == (os.geteuid() == 0)
    assert bool(account.spawn()) == account.dropped


def test_a_named_temp_folder_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert temp_folder(owner_of(tmp_path)) == tmp_path


def test_a_temp_folder_the_server_cannot_enter_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o700)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert temp_folder(STRANGER) != tmp_path


def test_a_file_for_a_temp_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "file"))
    with pytest.raises(SandboxError, match="cannot be used"):
        temp_folder(STRANGER)
