"""Digests to be kept: made of logs, gone on with where the logs went on, and merged."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from advisor.errors import InputError, UsageError
from advisor.model.digest_file import DigestFile
from advisor.model.options import Options
from advisor.sources.compression import head_of, open_input
from advisor.sources.detect import DIGEST_MAGIC
from advisor.sources.inputs import STANDARD_INPUT, expand, family
from advisor.sources.marks import match
from advisor.sources.tally import Tally
from advisor.workload.digest import Digest
from advisor.workload.digest_file import pack, read_packed, unpack
from advisor.workload.floor import refuse_little
from advisor.workload.read import Keeping, Progress, read_digest

LEAST_JUDGED_BYTES = 1 << 20
"""Of what a run adds to a digest: from here on it must be understood by itself, too."""

_NAMED = 3
"""Inputs of another digest that are named when it is refused."""


def digest_of(
    inputs: Sequence[str],
    options: Options,
    *,
    into: str | None = None,
    fresh: bool = False,
    redact: bool = False,
    progress: Progress | None = None,
) -> DigestFile:
    """The digest of the inputs.

    Args:
        into: the file that it is to be written to. Where that is a digest of the same logs, known by their content, or
            of logs of the same names but for digits and compression, only what is new is added to what it holds; and
            where it is redacted, it stays so. One that is among the inputs is added to whatever the others are.
        fresh: what the file holds is left out.
        redact: no literals.

    Raises:
        UsageError: `into` is no digest, or one of other logs.
        InputError: an input, or `into`, cannot be read, or less than `options.min_coverage` of what was read was
            understood.
    """
    digest = Digest()
    given = list(inputs)
    if into is not None and _is_kept(into):
        # A folder may hold the file beside the logs that it is of: that alone does not make it an input.
        is_input = any(_is_same_file(name, into) for name in inputs)
        given = [name for name in expand(inputs).names if not _is_same_file(name, into)] if inputs else []
        if not fresh or is_input:
            _restore(into, digest)
            if not is_input:
                _refuse_others(into, given, digest)
    redact = redact or bool(digest.redacted)
    before = digest.tally.bytes_total, digest.tally.bytes_classified
    if given or not inputs:
        read_digest(given, options, progress, digest, Keeping(whole_lines=redact))
    return _packed(digest, redact=redact, least=options.min_coverage, before=before)


def merge_of(inputs: Sequence[str], *, redact: bool = False, progress: Progress | None = None) -> DigestFile:
    """The sum of digests' files, the same in whatever order they are given.

    Raises:
        InputError: one of them cannot be read, or is no digest.
    """
    for name in expand(inputs).names:
        if name != STANDARD_INPUT and Path(name).is_file() and not is_digest(name):
            raise InputError(f"{name} is not a digest.", hint=f"Make one of it: advisor digest {name} -o FILE")
    digest = read_digest(inputs, Options(), progress, None, Keeping())
    if any(each.format != "digest" for each in digest.inputs):
        raise InputError("Standard input is not a digest.", hint="Make one: advisor digest - -o FILE")
    return _packed(digest, redact=redact, least=0.0, before=(0, 0))


def is_digest(path: str) -> bool:
    """Whether a file begins as a digest does, also compressed. False for what is not a file that can be read."""
    try:
        return Path(path).is_file() and head_of(path, len(DIGEST_MAGIC)) == DIGEST_MAGIC
    except (InputError, OSError, ValueError):
        return False


def _packed(digest: Digest, *, redact: bool, least: float, before: tuple[int, int]) -> DigestFile:
    if redact:
        digest.redact()
    packed = pack(digest)
    coverage = packed.workload.coverage
    refuse_little(coverage, least)
    total, classified = coverage.bytes_total - before[0], coverage.bytes_classified - before[1]
    # Of little that is new, the line that the log is cut off in may be the better part.
    if total > LEAST_JUDGED_BYTES:
        refuse_little(replace(coverage, bytes_total=total, bytes_classified=classified), least)
    return DigestFile(
        data=packed.head + packed.body,
        workload=packed.workload,
        redacted=bool(digest.redacted),
        added=tuple(digest.inputs),
        known_bytes=digest.known_bytes,
        notes=(*dict.fromkeys(packed.workload.warnings),),
    )


def _is_kept(into: str) -> bool:
    """Whether the file is there, and a digest; anything else but an empty file must not be overwritten."""
    path = Path(into)
    if not path.is_file() or path.stat().st_size == 0:
        return False
    if is_digest(into):
        return True
    raise UsageError(f"{into} is there and is not a digest", why="It is not overwritten.", hint="Give another -o FILE.")


def _restore(path: str, digest: Digest) -> None:
    with open_input(path, Tally()) as opened:
        unpack(read_packed(opened.blocks, path), digest, path)


def _refuse_others(into: str, inputs: Sequence[str], digest: Digest) -> None:
    """A digest of other logs is neither added to nor replaced unless that is said."""
    names = expand(inputs).names
    families = {family(mark.name) for mark in digest.marks}
    if any(family(str(Path(name).absolute())) in families for name in names if name != STANDARD_INPUT):
        return
    if any(start.mark is not None for start in match(digest.marks, names)):
        return
    made_of = [each.name for each in digest.logs]
    shown = ", ".join(made_of[:_NAMED]) + (f" and {len(made_of) - _NAMED} more" if len(made_of) > _NAMED else "")
    raise UsageError(
        f"{into} is a digest of other logs",
        why=f"It was made of {shown}." if shown else "It is empty.",
        hint=f"Add to it by giving it as an INPUT, too: advisor digest {into} LOG -o {into}; or replace it: --fresh.",
    )


def _is_same_file(name: str, other: str) -> bool:
    try:
        return Path(name).samefile(other)
    except (OSError, ValueError):
        return False
