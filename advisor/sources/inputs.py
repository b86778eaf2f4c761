"""What the user named, as the list of inputs to read: each file once, rotated sets oldest first."""

import glob
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from advisor.errors import EmptyInput, InputError
from advisor.sources.compression import open_input, open_range
from advisor.sources.tally import Tally

STANDARD_INPUT = "-"
_STANDARD_INPUT = frozenset((STANDARD_INPUT, "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"))

_PACKED = re.compile(r"\.(?:gz|bz2|xz|lzma|zst|zstd|lz4|Z)$")
_ROTATED = re.compile(r"^(?P<base>.+?)(?:\.(?P<number>\d{1,4})|[-.](?P<date>\d{8}(?:[-_T]?\d{2,6})?|\d{10}))?$")
"""logrotate's `.1` (the highest is the oldest) and its `dateext`; PostgreSQL's `log_filename` has its time inside."""

_SERVER_FILES = frozenset(("current_logfiles", "postmaster.opts", "postmaster.pid", "PG_VERSION"))
_NO_LOGS = frozenset((".conf", ".lock", ".pid", ".swp"))
_PROGRAM = b"\x7fELF"
"""Begins a core dump, which servers leave beside their logs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expanded:
    """The inputs in the order they are to be read in, and what was left out of what the user named."""

    names: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def expand(inputs: Sequence[str]) -> Expanded:
    """Files, folders (the files in them, not those of folders inside), patterns that no shell expanded, and `-`.

    A file that is named twice, also through links or with its folder, is read once; so is a log whose compressed copy
    is there, too. Of folders, hidden files are never read, and core dumps, locks and settings are left out. Members of
    a rotated set stand oldest first, where the set's first member stood. Pipes and `-` stay where they are.

    Raises:
        EmptyInput: a folder has no file that could be read.
        InputError: standard input is named twice, a pattern matches nothing, or a folder cannot be read.
    """
    warnings: list[str] = []
    found: list[str] = []
    for name in inputs:
        if name in _STANDARD_INPUT:
            if STANDARD_INPUT in found:
                raise InputError("Standard input is given twice.", hint="It can be read once: give - once.")
            found.append(STANDARD_INPUT)
        elif _is_folder(name):
            found.extend(_in_folder(name, warnings))
        elif glob.has_magic(name) and _status(name) is None:
            found.extend(_matching(name, warnings))
        else:
            found.append(name)
    names = oldest_first(_once(found, warnings))
    return Expanded(names=tuple(_without_copies(names, warnings)), warnings=tuple(warnings))


def oldest_first(names: Sequence[str]) -> list[str]:
    """The names with each rotated set together, oldest first; sets stay in the order of their first members.

    By name alone: `x.log.2.gz`, `x.log.1`, `x.log`; `x-20261119.gz`, `x-20261120`, `x`; and logs whose names differ in
    digits only, `postgresql-2026-11-20_000000.log`, by those digits.
    """
    sets: dict[str, list[tuple[tuple[int, ...], str]]] = {}
    for name in names:
        family, age = _age(name)
        sets.setdefault(family, []).append((age, name))
    return [name for members in sets.values() for _, name in sorted(members)]


def family(name: str) -> str:
    """The same for all logs of one rotated set, or whose names differ in digits and compression only."""
    return _age(name)[0]


def without_compression(name: str) -> str:
    """`postgresql.log.1` of `postgresql.log.1.gz`."""
    return _PACKED.sub("", name)


def _age(name: str) -> tuple[str, tuple[int, ...]]:
    """The set that `name` belongs to, and a key that grows with time within it."""
    folder, _, last = without_compression(name).rpartition("/")
    parts = _ROTATED.match(last)
    if parts is None:
        return name, ()
    inside = [int(digits[:18]) for digits in re.findall(r"\d+", parts["base"])]
    if parts["number"]:
        rotated = (0, -int(parts["number"]))
    elif parts["date"]:
        rotated = (0, int(re.sub(r"\D", "", parts["date"]).ljust(14, "0")))
    else:
        rotated = (1, 0)
    return f"{folder}/{re.sub(r'[0-9]+', '0', parts['base'])}", (*inside, *rotated)


def _status(name: str) -> tuple[int, int, int] | None:
    """Mode, device and inode; None where there is no such thing, or none that may be looked at."""
    try:
        status = Path(name).stat()
    except (OSError, ValueError):
        return None
    return status.st_mode, status.st_dev, status.st_ino


def _is_folder(name: str) -> bool:
    status = _status(name)
    return status is not None and stat.S_ISDIR(status[0])


def _in_folder(name: str, warnings: list[str]) -> list[str]:
    try:
        entries = sorted(path for path in Path(name).iterdir() if path.name[0] != ".")
    except OSError as error:
        raise InputError(
            f"The folder {name} cannot be read.",
            why=f"{error.strerror}.",
            hint="Server logs often belong to the user postgres: run as a user who may read them.",
        ) from error
    files, folders = [], 0
    for path in entries:
        status = _status(str(path))
        if status is not None and stat.S_ISDIR(status[0]):
            folders += 1
        elif status is None or not stat.S_ISREG(status[0]):
            warnings.append(f"{path} is no file: it was left out.")
        elif (reason := _no_log(path)) is not None:
            warnings.append(f"{path} is {reason}: it was left out.")
        else:
            files.append(str(path))
    if not files:
        inner = " It has folders, which are not looked into." if folders else ""
        raise EmptyInput(f"The folder {name} has no files to read.{inner}", hint="Give the folder that holds the logs.")
    if folders:
        warnings.append(f"{name} has folders inside ({folders}), which were not looked into.")
    return files


def _no_log(path: Path) -> str | None:
    """What a file of a folder is that is certainly no log."""
    if path.name in _SERVER_FILES:
        return "a file of the server's own"
    if path.suffix in _NO_LOGS:
        return "no log by its name"
    try:
        with path.open("rb") as stream:
            return "a program or a core dump" if stream.read(4) == _PROGRAM else None
    except OSError:
        # It is named like a log: that it cannot be read is for the one who reads it to say.
        return None


def _matching(pattern: str, warnings: list[str]) -> Iterator[str]:
    names = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 - it may be absolute
    if not names:
        raise InputError(f"{pattern} matches no file.", hint="Check the path and the pattern.")
    for name in names:
        if _is_folder(name):
            yield from _in_folder(name, warnings)
        else:
            yield name


def _once(names: Iterable[str], warnings: list[str]) -> list[str]:
    """Without those that are the same file, or the same pipe, as one before."""
    seen: dict[object, str] = {}
    for name in names:
        status = _status(name) if name != STANDARD_INPUT else None
        key = name if status is None else status[1:]
        if key in seen:
            other = "" if name == seen[key] else f", also as {seen[key]}"
            warnings.append(f"{name} is given twice{other}: it is read once.")
        else:
            seen[key] = name
    return list(seen.values())


def _without_copies(names: Sequence[str], warnings: list[str]) -> list[str]:
    """Without the compressed, or half compressed, copy of a log that is there as well."""
    there = set(names)
    dropped: set[str] = set()
    for packed in names:
        plain = without_compression(packed)
        if plain == packed or plain not in there:
            continue
        copy = _copied(packed, plain)
        if copy is not None:
            dropped.add(copy)
            other = plain if copy == packed else packed
            warnings.append(f"{copy} holds nothing that is not in {other}, too: it was left out.")
    return [name for name in names if name not in dropped]


def _copied(packed: str, plain: str) -> str | None:
    """Which of the two holds nothing but the beginning, or the whole, of the other; None where they differ."""
    if any(_not_regular(name) for name in (packed, plain)):
        return None
    position = 0
    try:
        with open_input(packed, Tally()) as opened:
            if opened.compression is None:
                return None
            for block in opened.blocks:
                same = b"".join(open_range(plain, position, position + len(block)))
                if not block.startswith(same):
                    return None
                position += len(same)
                if len(same) < len(block):
                    return plain if position else None
    except InputError:
        return None
    return packed if position else None


def _not_regular(name: str) -> bool:
    status = _status(name)
    return status is None or not stat.S_ISREG(status[0])
