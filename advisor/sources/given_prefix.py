"""Whether a `log_line_prefix` that was given is the log's own."""

import re

from advisor.errors import UnknownPrefix
from advisor.sources.escapes import compile_prefix
from advisor.sources.heads import read_heads
from advisor.sources.infer import ENOUGH_MATCHED, infer_prefix
from advisor.sources.languages import detect_language

FEW_MATCHED = 0.1
"""Share of the lines: a prefix that fits fewer may be the beginning of the log's own, that of background processes."""


def doubt_prefix(prefix: str, text: str, name: str) -> str | None:
    """A sentence where the given prefix fits less than most of a log's first lines, with the one that would.

    Raises:
        UnknownPrefix: it fits hardly any of them.
        InputError: it has an escape that PostgreSQL does not have.
    """
    _, everything = read_heads(text, detect_language(text))
    pattern = re.compile(compile_prefix(prefix))
    others = [head for head in everything if not pattern.fullmatch(head)]
    if len(others) <= (1 - ENOUGH_MATCHED) * len(everything):
        return None
    share = f"{(len(everything) - len(others)) / len(everything):.0%}"
    line = text[text.find(others[0]) :].split("\n", 1)[0][:200]
    try:
        own = infer_prefix(text, name)
        better = f"By its lines, it is {own!r}: leave --prefix out, or give that."
    except UnknownPrefix:
        better = "Run SHOW log_line_prefix on the server and give what it says."
    what = f"--prefix {prefix!r} fits {share} of the lines of {name} that were looked at"
    why = f"One that it does not fit: {line!r}"
    if len(others) > (1 - FEW_MATCHED) * len(everything):
        raise UnknownPrefix(f"{what}.", why=why, hint=better)
    return f"{what}. {why}. {better}"
