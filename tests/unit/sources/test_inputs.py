"""Files, folders, patterns and `-` become a list in which nothing stands twice."""

import gzip
import os
import random
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.errors import EmptyInput, InputError
from advisor.sources.inputs import expand, oldest_first

DATA = Path(__file__).parent / "data"
LOG = (DATA / "all-18.log").read_bytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With two logs that differ."""
    (tmp_path / "b.log").write_bytes(LOG)
    (tmp_path / "a.log").write_bytes(LOG[1000:])
    return tmp_path


def shown(folder: Path, names: tuple[str, ...]) -> list[str]:
    return [os.path.relpath(name, folder) for name in names]


def test_files_stay_in_the_order_given(folder: Path) -> None:
    given_names = (str(folder / "b.log"), "-", str(folder / "a.log"), str(folder / "missing"))
    found = expand(given_names)
    assert found.names == given_names
    assert found.warnings == ()


def test_a_folder_gives_its_files(folder: Path) -> None:
    (folder / ".hidden").write_text("x")
    found = expand([str(folder)])
    assert shown(folder, found.names) == ["a.log", "b.log"]
    assert found.warnings == ()


def test_what_is_certainly_no_log_is_left_out_of_folders(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "core.4711").write_bytes(b"\x7fELF" + bytes(100))
    (folder / "postmaster.pid").write_text("4711\n")
    (folder / "current_logfiles").write_text("stderr log/b.log\n")
    (folder / "postgresql.conf").write_text("port = 5432\n")
    (folder / "older").mkdir()
    (folder / "gone.log").symlink_to(folder / "missing")
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(folder)
        server.bind("s.sock")
        found = expand([str(folder)])
    assert shown(folder, found.names) == ["a.log", "b.log"]
    for part in ("core.4711 is a program or a core dump", "postmaster.pid", "current_logfiles", "postgresql.conf"):
        assert sum(part in warning for warning in found.warnings) == 1, part
    assert any("folders inside (1)" in warning for warning in found.warnings)
    for part in ("gone.log is no file", "s.sock is no file"):
        assert any(part in warning for warning in found.warnings), part


def test_named_by_the_user_nothing_is_left_out(folder: Path) -> None:
    for name in ("core.4711", "postgresql.conf"):
        (folder / name).write_bytes(b"\x7fELF" + bytes(100))
        assert expand([str(folder / name)]).names == (str(folder / name),)


def test_folders_without_files(tmp_path: Path) -> None:
    with pytest.raises(EmptyInput, match="has no files to read"):
        expand([str(tmp_path)])
    (tmp_path / "log").mkdir()
    (tmp_path / "postmaster.pid").write_text("1\n")
    with pytest.raises(EmptyInput, match="has folders, which are not looked into"):
        expand([str(tmp_path)])


def test_a_folder_that_may_not_be_read(tmp_path: Path) -> None:
    if os.getuid() == 0:
        pytest.skip("root may read every folder")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    with pytest.raises(InputError, match="cannot be read"):
        expand([str(closed)])


@pytest.mark.parametrize("second", ["-", "/dev/stdin", "/dev/fd/0"])
def test_standard_input_is_given_once(second: str) -> None:
    assert expand([second]).names == ("-",)
    with pytest.raises(InputError, match="Standard input is given twice"):
        expand(["-", second])


def test_a_file_is_read_once_under_all_its_names(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "link.log").symlink_to(folder / "a.log")
    os.link(folder / "b.log", folder / "hard.log")
    monkeypatch.chdir(folder)
    name = str(folder / "a.log")
    found = expand([name, name, "a.log", "link.log", str(folder)])
    assert shown(folder, found.names) == ["a.log", "b.log"]
    assert len(found.warnings) == 6
    assert found.warnings[0] == f"{name} is given twice: it is read once."
    assert found.warnings[1] == f"a.log is given twice, also as {name}: it is read once."
    assert expand(["missing", "missing"]).names == ("missing",)


def test_patterns_that_no_shell_expanded(folder: Path) -> None:
    assert shown(folder, expand([str(folder / "*.log")]).names) == ["a.log", "b.log"]
    assert shown(folder, expand([str(folder.parent / f"{folder.name[:-1]}?" / "[a]*")]).names) == ["a.log"]
    assert shown(folder, expand([str(folder.parent / f"{folder.name}*")]).names) == ["a.log", "b.log"]
    with pytest.raises(InputError, match="matches no file"):
        expand([str(folder / "*.csv")])


def test_a_name_that_looks_like_a_pattern(folder: Path) -> None:
    (folder / "[a].log").write_bytes(b"x")
    assert shown(folder, expand([str(folder / "[a].log")]).names) == ["[a].log"]


ROTATED = [
    ["postgresql.log.10.gz", "postgresql.log.2.gz", "postgresql.log.1", "postgresql.log"],
    ["postgresql.log-20261118.xz", "postgresql.log-20261119", "postgresql.log"],
    [
        "/var/log/postgresql-2026-11-09_000000.log.zst",
        "/var/log/postgresql-2026-11-20_000000.log",
        "/var/log/postgresql-2026-11-20_120000.log",
    ],
    ["l/db.log.9", "l/db.log.8", "l/db.log"],
]


@pytest.mark.parametrize("names", ROTATED)
def test_rotated_sets_stand_oldest_first(names: list[str]) -> None:
    for seed in range(10):
        shuffled = names.copy()
        random.Random(seed).shuffle(shuffled)
        assert oldest_first(shuffled) == names


def test_sets_stay_in_the_order_of_their_first_members() -> None:
    given_names = ["x.csv", "y.log", "-", "x.csv.1", "other/y.log.1", "y.log.1"]
    assert oldest_first(given_names) == ["x.csv.1", "x.csv", "y.log.1", "y.log", "-", "other/y.log.1"]


@given(st.lists(st.text(alphabet="ab.-/0129gz\n", min_size=1), unique=True))
def test_ordering_loses_nothing(names: list[str]) -> None:
    ordered = oldest_first(names)
    assert sorted(ordered) == sorted(names)
    assert oldest_first(ordered) == ordered


def test_a_log_and_its_compressed_copy(folder: Path) -> None:
    packed = folder / "b.log.gz"
    packed.write_bytes(gzip.compress(LOG))
    found = expand([str(folder)])
    assert shown(folder, found.names) == ["a.log", "b.log"]
    assert found.warnings == (f"{packed} holds nothing that is not in {folder / 'b.log'}, too: it was left out.",)


def test_a_log_that_is_being_compressed_or_has_grown_since(folder: Path) -> None:
    packed = folder / "b.log.gz"
    for content in (gzip.compress(LOG)[:-2000], gzip.compress(LOG[:5000])):
        packed.write_bytes(content)
        assert shown(folder, expand([str(folder)]).names) == ["a.log", "b.log"]


def test_a_log_that_is_being_decompressed(folder: Path) -> None:
    (folder / "b.log.gz").write_bytes(gzip.compress(LOG + LOG))
    assert shown(folder, expand([str(folder)]).names) == ["a.log", "b.log.gz"]


def test_a_log_beside_another_ones_compressed_copy(folder: Path) -> None:
    for other in (LOG[1000:], LOG[:5000] + b"x" + LOG[5001:], b""):
        (folder / "b.log.gz").write_bytes(gzip.compress(other))
        found = expand([str(folder)])
        assert sorted(shown(folder, found.names)) == ["a.log", "b.log", "b.log.gz"]
        assert found.warnings == ()
    (folder / "b.log.gz").write_bytes(b"no gzip at all")
    assert len(expand([str(folder)]).names) == 3
