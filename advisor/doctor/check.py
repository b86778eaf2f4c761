"""The answer to one question of the doctor's."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["good", "weak", "missing", "unknown"]
"""`weak`: it is there, but not as useful as it could be. `unknown`: the role may not see it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: of the setting, the extension or the part of the log.
        found: what is there, in a few words.
        cost: which advice gets worse, or what stays unseen; None where nothing is lost.
        fix: statements or commands for the user to run, in this order; none of them is ever run by the advisor.
        needs: "reload" or "restart", where the fix asks for one.
    """

    name: str
    status: Status
    found: str
    cost: str | None = None
    fix: tuple[str, ...] = ()
    needs: Literal["reload", "restart"] | None = None
