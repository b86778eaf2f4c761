"""Folders of programs in the cache: told apart, made readable, and put in their place as a whole."""

import hashlib
import os
import shutil
from pathlib import Path


def tree_stamp(folder: Path) -> str:
    """A digest of the names, sizes, modes and times of a tree's files, in hexadecimal; of nothing above the tree."""
    digest = hashlib.sha256()
    for place, folders, files in os.walk(folder):
        folders.sort()
        inside = os.path.relpath(place, folder)
        for name in sorted(files):
            status = os.lstat(os.path.join(place, name))  # noqa: PTH118 two thousand files
            digest.update(f"{inside}/{name}\0{status.st_size}\0{status.st_mode}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def open_to_readers(tree: Path) -> None:
    """Lets everybody read and enter, and run what its owner may run; only the owner may write."""
    for folder, _, files in os.walk(tree):
        Path(folder).chmod(0o755)
        for name in files:
            path = Path(folder, name)
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)


def publish(draft: Path, target: Path) -> None:
    """Puts a finished folder in its place at once; where another run was first, its result stays."""
    try:
        draft.rename(target)
    except OSError:
        shutil.rmtree(draft, ignore_errors=True)
        if not target.is_dir():
            raise
