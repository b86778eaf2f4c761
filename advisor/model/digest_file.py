"""A digest as it is kept in a file."""

from collections.abc import Mapping
from dataclasses import dataclass

from advisor.model.workload import InputFile, Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestFile:
    """What `advisor digest` writes.

    Attributes:
        data: the file's bytes, to be written as they are: an input of all commands.
        workload: what it holds, as a report shows it.
        redacted: whether it holds no literals.
        added: the inputs that were read for it now; `known_bytes`: how much of inputs was in it before, by name.
        notes: what to know of this run.
    """

    data: bytes
    workload: Workload
    redacted: bool
    added: tuple[InputFile, ...]
    known_bytes: Mapping[str, int]
    notes: tuple[str, ...]
