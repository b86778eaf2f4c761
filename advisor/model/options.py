"""The knobs of a run, as the flags name them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Progress = Callable[[str, int, int], None]
"""Called with (what is being done, done, of how many)."""

FailOn = Literal["error", "warning", "info", "never"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Options of `analyze` and `check`; the defaults are the commands' own.

    Attributes:
        sandbox: `auto`, `embedded`, `local`, `docker`, `off` or a server's URL.
        docker_image: for a server in Docker; None: the official one of the target's major version.
        table_rows: believed row counts by table name (`orders` or `public.orders`).
        since_us, until_us: microseconds since the epoch; events outside are left out.
        min_time_ms: queries with less total time are left out.
        time_limit_s: seconds for the whole run; None: none.
        prefix: the log's `log_line_prefix`; None: inferred.
        jobs: processes that read logs.
    """

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    sandbox: str = "auto"
    docker_image: str | None = None
    table_rows: Mapping[str, int] = field(default_factory=dict)
    since_us: int | None = None
    until_us: int | None = None
    min_calls: int = 0
    min_time_ms: float = 0.0
    min_coverage: float = 0.9
    max_instances: int = 100
    time_limit_s: float | None = None
    prefix: str | None = None
    jobs: int = 1
    budget: str | None = None
    max_indexes: int | None = None
