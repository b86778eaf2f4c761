"""What `find_envelope` finds: the layers that a hosted service, syslog or a container put around a log."""

from dataclasses import dataclass
from typing import Literal

Inner = Literal["stderr", "csv", "json"]

Shape = Literal["lines", "objects", "array", "container"]
"""Of a JSON envelope: an object per line; objects over several lines; `[{…}, …]`; `{"events": [{…}, …]}`."""

Stamp = Literal["none", "time", "pid"]
"""What is put before each record whose own prefix has no time: nothing, `%m `, or `%m [%p] `."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One envelope and how it was used; `None` for `inner` where the layer holds another envelope."""

    format: str
    inner: Inner | None = None
    shape: Shape = "lines"
    newest_first: bool = False
    stamp: Stamp = "none"
    sources: tuple[str, ...] = ()
    """Programs, containers or logs whose lines are PostgreSQL's; empty where there are no others."""
    numbered: bool = False
    """Syslog messages begin with `[n-m] ` or `[n] `."""
    year: int | None = None
    """Of the first line, where the envelope's times have none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A wrapped log. `name` joins the layers' names, outermost first: `cri+cnpg`.

    `prefix` is the `log_line_prefix` of the unwrapped stderr lines where the envelope makes it; None where it is the
    server's own, to be inferred from the unwrapped text.
    """

    name: str
    inner: Inner
    prefix: str | None
    layers: tuple[Layer, ...]
