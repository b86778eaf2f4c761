"""What the inputs do not show, why, and which setting would show it."""

from advisor.workload.digest import Digest

NO_DURATIONS = (
    "The log has no durations: set log_min_duration_statement = 0 (or log_duration = on with log_statement = 'all')"
    " and reload, so that time can be told."
)
NO_STATEMENTS = (
    "The log has no statements: set log_min_duration_statement = 0 (every statement with its duration), or to a"
    " threshold such as '100ms', and reload."
)


def warn_of_gaps(digest: Digest) -> None:
    """Says what the inputs do not show, and which settings would."""
    if not digest.runs:
        return
    if digest.statements == 0 and not digest.has_plans:
        digest.note(NO_STATEMENTS)
    elif digest.timed == 0:
        digest.note(NO_DURATIONS)
