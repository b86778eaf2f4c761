"""Prefixes that any reader must know, and when a log is taken to have one of them."""

import re
from collections.abc import Sequence

from advisor.sources.escapes import compile_prefix
from advisor.sources.heads import Names

COMMON = (
    "%m [%p] ",
    "%m [%p] %q%u@%d ",
    "%m [%p] %q%u@%d/%a ",
    "%m [%p] %q%u@%d %a ",
    "%m [%p] %q[user=%u,db=%d,app=%a] ",
    "%m [%p] %quser=%u,db=%d,app=%a,client=%h ",
    "%m [%p]: user=%u,db=%d,app=%a,client=%h ",
    "%m [%p]: [%l-1] user=%u,db=%d,app=%a,client=%h ",
    "%m [%p]: [%l-1] db=%d,user=%u,app=%a,client=%h ",
    "%m [%p] %c %v %e ",
    "%m %u@%d/%a [%p] ",
    "%t ",
    "%t [%p] ",
    "%t [%p]: ",
    "%t [%p]: [%l-1] ",
    "%t [%p]: user=%u,db=%d,app=%a,client=%h ",
    "%t [%p]: [%l-1] user=%u,db=%d,app=%a,client=%h ",
    "%t [%p]: [%l-1] user=%u,db=%d,client=%h ",
    "%t [%p]: [%l-1] user=%u,db=%d ",
    "%t [%p]: [%l-1] db=%d,user=%u,app=%a,client=%h ",
    "%t [%p]: [%l-1] %u@%d ",
    "%t [%p-%l] %q%u@%d ",
    "%t:%r:%u@%d:[%p]:",
    "%t:%h:%u@%d:[%p]:",
    "%m:%r:%u@%d:[%p]:",
    "%n [%p] ",
    "%n [%p] %q%u@%d ",
    "%c %l %m ",
    "",
)
"""Defaults of PostgreSQL, Debian, RDS, pgBadger's manual and the like; prefixes that any reader must know."""

_NAMED = ("user", "database", "application")

_SHARE = 0.98
"""Of the lines: a few are torn."""


def conventional_prefix(heads: Sequence[str], background: Sequence[str], names: Names) -> str | None:
    """The common prefix with the most names that fits the lines' heads; None where none does.

    For logs that do not tell by themselves which word is what, because all sessions are alike: nearly everybody who has
    such lines has such a prefix. What the log says of its connections must not contradict, and processes without a
    client must have no names.
    """
    best: tuple[int, str] | None = None
    for prefix in COMMON:
        pattern = re.compile(compile_prefix(prefix))
        found = [match.groupdict() for head in heads if (match := pattern.fullmatch(head))]
        named = [name for name in _NAMED if any(fields.get(name) for fields in found)]
        if not named or len(found) < _SHARE * len(heads) or _contradicts(found, names):
            continue
        if any((match := pattern.fullmatch(head)) and _has_name(match.groupdict()) for head in background):
            continue
        if best is None or len(named) > best[0]:
            best = (len(named), prefix)
    return best[1] if best is not None else None


def _has_name(fields: dict[str, str | None]) -> bool:
    return any(fields.get(name) for name in _NAMED)


def _contradicts(found: Sequence[dict[str, str | None]], names: Names) -> bool:
    """Whether a user that connected is read as something else only, or the like; or a name has a blank."""
    if any(" " in (fields.get(name) or "") for fields in found for name in ("user", "database")):
        return True
    for name, known in (("user", names.users), ("database", names.databases), ("application", names.applications)):
        read = {value for fields in found if (value := fields.get(name))}
        others = names.all - known
        if read & others and not read & known:
            return True
    return False
