"""The shape of what a digest's file holds, as types: what does not have it is refused before anything is made of it.

The types follow the `state` methods of the parts of a digest, whose docstrings say what the values are.
"""

from typing import Annotated, Any, Literal, TypedDict

import msgspec
from msgspec import Meta

from advisor.model.incident import LockStage, Severity
from advisor.model.usage import StatementKind
from advisor.sources.layout import LogFormat
from advisor.workload.gaps import APART, BUCKETS, LOWEST

Count = Annotated[int, Meta(ge=0)]
Time = Annotated[int, Meta(ge=0, le=253_402_300_799_999_999)]
"""Microseconds since the epoch, to the end of the year 9999."""
Hour = Annotated[int, Meta(ge=0, le=70_389_527)]
Bucket = Annotated[int, Meta(ge=-1, le=4_000)]
"""Of a latency sketch: bucket 2,200 is of all time that 64 bits can tell."""
Hash = Annotated[int, Meta(ge=0, lt=1 << 32)]
Level = Annotated[int, Meta(ge=LOWEST, le=APART)]
QueryId = Annotated[str, Meta(pattern="^[0-9a-f]{16}$")]

Text = tuple[bytes, bytes | None]
Samples = tuple[
    list[tuple[Count, Text]],
    list[tuple[Hash, Time, Count, Text]],
    list[tuple[Hash, Text, Count | None]],
    tuple[Hash, Text, Count | None] | None,
]
Tags = tuple[list[tuple[tuple[str | None, str | None], tuple[Count]]], tuple[Count]]
Totals = tuple[
    tuple[Count, Count, Count, Count | None, Count | None, Count],
    tuple[Count, Count, Time | None, Time | None],
    Annotated[list[str], Meta(max_length=2)],
    tuple[Count, Count, Count, Count, Count],
    Tags | None,
    list[tuple[Bucket, Count]],
    list[tuple[Hour, Count, Count, Count]],
    Samples,
]
Query = tuple[tuple[QueryId, StatementKind, bool, str, str, list[str]], str | None, Totals]


class Input(TypedDict):
    """An `InputFile`."""

    name: str
    format: str
    bytes: Count
    detected_prefix: str | None
    compression: str | None


Mark = tuple[bytes, Count, Annotated[int, Meta(ge=1, le=1 << 20)], bytes, bytes, bytes | None, Time | None]
Tally = tuple[tuple[Count, Count, Count, Count, Count], list[str], list[tuple[str, str, Count]]]

_GAPS: Any = tuple[(bool, *([Count] * BUCKETS))]  # type: ignore[misc]
_Key = tuple[bytes, bool]
_Sums = tuple[Count, Count, Count, Count, Count, Count, list[str], list[tuple[str, Count, Count]]]
_Instance = tuple[
    Count,
    Time | None,
    str,
    Time | None,
    Count,
    Count,
    Count,
    Count | None,
    Level,
    Level,
    list[_Key],
]
_Pair = tuple[list[tuple[Level, Level, _Sums]], list[_Instance]]
Repetitions = tuple[
    list[tuple[str | None, _GAPS]],
    list[tuple[str | None, str, str | None, _Pair]],
    list[tuple[str | None, str, str | None, list[tuple[Level, Level, Count, Count]]]],
]

_Name = str | None
_Change = tuple[Time | None, str | None]
_Changes = tuple[Count, _Change | None, _Change | None]
_ErrorRow = tuple[Count, Time | None, Time | None]
_UpkeepRow = tuple[Count, Count, Count, Count, Count, Count | None, Count, Count, Count | None]
_Pairs = tuple[Count, Count]
_Six = tuple[Count, Count, Count, Count, Count, Count]
_Parts = tuple[
    tuple[list[tuple[tuple[Severity, _Name, _Name], _ErrorRow]], _ErrorRow],
    tuple[list[tuple[tuple[_Name], tuple[Count]]], tuple[Count]],
    tuple[list[tuple[tuple[_Name, _Name, _Name], _Pairs]], _Pairs],
    tuple[list[tuple[tuple[_Name, _Name], _Pairs]], _Pairs],
    tuple[list[tuple[tuple[_Name, _Name], _UpkeepRow]], _UpkeepRow],
    tuple[list[tuple[tuple[_Name], _Six]], _Six],
    tuple[list[tuple[tuple[_Name], _Changes]], _Changes],
    list[tuple[Count, Time | None, str, str, _Name, _Name, _Name, _Name, int, LockStage]],
    list[tuple[Count, Time | None, _Name, _Name, _Name]],
]


class Incidents(TypedDict):
    """`IncidentTotals`."""

    counts: dict[str, Count]
    maxima: dict[str, Count]
    buckets: list[tuple[Bucket, Count]]
    hours: list[tuple[Hour, Count, Count, Count, Count, Count, Count]]
    parts: _Parts


_Plan = tuple[Count, Count, str]
Plans = tuple[Count, list[tuple[str, list[_Plan]]], list[_Plan]]

_Child = tuple[
    list[str],
    Count | None,
    Count,
    Count,
    Count,
    Time | None,
    Time | None,
    list[str],
    list[Hash],
    list[_Key],
]
_Segment = tuple[str | None, list[tuple[str, _Child]], list[str], Count | None, Count]
_Chain = tuple[list[Count | None], list[_Segment], list[Count]]
_Head = tuple[
    tuple[Time | None, Count | None, str | None] | None,
    tuple[Count, str | None, str | None] | None,
    Repetitions,
    _Chain,
    _Segment,
    bool,
]
_Units = tuple[
    Literal[0, 1, 2],
    bool,
    Time | None,
    bool,
    str | None,
    str | None,
    Count,
    Annotated[list[tuple[str, Count | None, bool]], Meta(max_length=2)],
    _Chain | None,
    _Segment,
    _Head | None,
]

_Known = tuple[Literal["Known"], str, dict[str, str] | None, str | None]
_Context = tuple[Literal["Context"], str, str | None, str | None, str | None]
_Execution = tuple[Literal["Execution"], _Known, Time | None, Count | None, bytes, bytes | None, _Context, Count | None]
_LoggedPlan = tuple[Literal["LoggedPlan"], _Known, Time | None, Count, bytes, bytes | None, _Context, Count | None]
HELD: dict[str, Any] = {
    "bare_duration": tuple[Count, Time | None],
    "end": tuple[()],
    "error": tuple[tuple[Literal["Query"], str] | None],
    "execution": tuple[_Known, Time | None, Count | None, bytes, bytes | None, _Context],
    "plan": tuple[_LoggedPlan],
    "step": tuple[Count],
}
"""The methods of `Session` that are held, with their arguments."""

_Session = tuple[
    str,
    tuple[bool, bool, bool, Time | None],
    list[tuple[str, list[Any]]],
    tuple[_Execution | None, Count, Count, list[_LoggedPlan]],
    _Units,
]
Run = tuple[
    tuple[LogFormat, str | None, str | None],
    tuple[bytes, bytes | None],
    tuple[Time | None, Time | None, bytes | None],
    tuple[Time | None, Time | None, list[tuple[Time, Time]]] | None,
    list[_Session],
]


class Sums(TypedDict):
    """`Digest.state`, whose queries are told apart from it."""

    inputs: list[Input]
    marks: list[Mark]
    redacted: bool
    warnings: list[str]
    tally: Tally
    uncounted: list[tuple[Literal["empty", "unparsed"], Count]]
    repetitions: Repetitions
    incidents: Incidents
    plans: Plans
    plan_files: list[tuple[str, str | None, str]]
    unparsed_like: str | None
    happened: Count
    runs: list[Run]
    queries: Annotated[list[Any], Meta(max_length=0)]


def check_relations(sums: Any) -> None:
    """What types cannot say.

    Raises:
        ValueError: what is held is no step of a session, a stretch of levels is empty, or a chain is torn.
    """
    for run in sums["runs"]:
        for _, _, held, _, units in run[4]:
            for name, arguments in held:
                if name not in HELD:
                    raise ValueError(f"{name!r} is no step of a session")
                msgspec.convert(arguments, HELD[name])
            head = units[10]
            if head is not None:
                _check_levels(head[2])
            for chain in (units[8], head[3] if head is not None else None):
                if chain is not None and len({len(part) for part in chain}) > 1:
                    raise ValueError("what is open of a session is torn")
    _check_levels(sums["repetitions"])


def _check_levels(repetitions: Any) -> None:
    _, pairs, plain = repetitions
    stretches = [stretch for *_, (groups, _) in pairs for stretch in groups]
    stretches += [stretch for *_, groups in plain for stretch in groups]
    stretches += [each[8:10] for *_, (_, instances) in pairs for each in instances]
    if any(low >= high for low, high, *_ in stretches):
        raise ValueError("a stretch of levels is empty")
