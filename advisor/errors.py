"""Every error a user can meet, drawn as a tree. Each says what happened, why, and what to try.

AdvisorError
├── UsageError          a flag, a configuration key or a combination of them is wrong
├── InputError          an input cannot be read or understood
│   ├── EmptyInput          there is nothing in it
│   ├── UnknownFormat       neither a log, a plan nor SQL
│   └── UnknownPrefix       a log whose line prefix cannot be inferred
├── SqlError            a text is not a statement of PostgreSQL's grammar
├── ConnectionFailed    the user's database does not answer or refuses
├── SandboxError        the throwaway server cannot be had, started or used
└── RuleError           a rule is wrong: registered twice, without a page, or crashed

All of them end a command with exit code 2; `cli.main` is the one place that says so.
"""


class AdvisorError(Exception):
    """What happened (`what`), why (`why`), and what to try (`hint`); `str()` gives all three as sentences."""

    def __init__(self, what: str, *, why: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.hint = hint

    def __str__(self) -> str:
        return "\n".join(part for part in (self.what, self.why, self.hint) if part)


class UsageError(AdvisorError):
    """A flag, a configuration key or a combination of them is wrong."""


class InputError(AdvisorError):
    """An input cannot be read or understood."""


class EmptyInput(InputError):
    """An input has nothing in it."""


class UnknownFormat(InputError):
    """An input is neither a log, a plan nor SQL."""


class UnknownPrefix(InputError):
    """A log's line prefix cannot be inferred."""


class SqlError(AdvisorError):
    """A text is not a statement of PostgreSQL's grammar. `position` is its 0-based character, where known."""

    def __init__(self, what: str, *, position: int | None = None, why: str = "", hint: str = "") -> None:
        super().__init__(what, why=why, hint=hint)
        self.position = position


class ConnectionFailed(AdvisorError):
    """The user's database does not answer or refuses."""


class SandboxError(AdvisorError):
    """The throwaway server cannot be had, started or used."""


class RuleError(AdvisorError):
    """A rule is wrong: registered twice, without a page, or crashed."""
