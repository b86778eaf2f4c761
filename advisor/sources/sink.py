"""Where readers put what they read.

Nearly all records of a busy log are executions with a duration. Readers hand those over through `Stream`, whose
attributes they use one by one in their loops, because a call per record would cost as much as reading it; every other
record goes to `Sink.record`, which knows every kind.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from advisor.model.execution import Context
from advisor.sources.record import Record

ZERO: Final = bytes(48 if 48 <= byte < 58 else byte for byte in range(256))
"""For `bytes.translate`: every digit as 0. Texts that differ in the digits of numbers alone then are one key."""

STEPS: Final = (b"parse ", b"bind ")
"""How the messages of steps begin that are no executions of their own."""


class OpenSession(Protocol):
    """`steps_us`: parse and bind steps whose time the next execution gets."""

    steps_us: int

    def with_steps(self, message: bytes, duration_us: int) -> int:
        """The duration of an execution with that of its steps, which are used up."""


class Stream(Protocol):
    """One session, as one head of its records describes it.

    Attributes:
        context: who runs.
        shapes: messages known by their zeroed text; `texts`: by their very text. Both are emptied in place when full.
        busy: hand an execution to `execution` and a step to `step`, because something else is open; otherwise a step is
            added to `session.steps_us`, and an execution, with these, is appended.
        append: takes an `Execution`; so does `known.totals.append`, and both want it.
    """

    @property
    def context(self) -> Context: ...
    @property
    def shapes(self) -> Mapping[bytes, Any]: ...
    @property
    def texts(self) -> Mapping[bytes, Any]: ...
    @property
    def busy(self) -> bool: ...
    @property
    def session(self) -> OpenSession: ...
    @property
    def append(self) -> Callable[[Any], None]: ...

    def recognise(self, message: bytes) -> Any:
        """What a message (`statement: SELECT 1`) is: a `Known`, or None where it is no execution."""

    def step(self, duration_us: int) -> None:
        """A parse or bind step took so long."""

    def execution(self, known: Any, at_us: int | None, duration_us: int, message: bytes, detail: bytes | None) -> None:
        """An execution of a stream that is `busy`."""


class Sink(Protocol):
    """The digest, as readers see it."""

    def stream(self, session: str, database: str | None, user: str | None, application: str | None) -> Stream:
        """The stream of a record's head; the same object for the same values, for a while."""

    def record(self, record: Record) -> None:
        """A record of any kind."""

    def settle(self) -> None:
        """A block of whole records was read: what was appended is to be added up."""
