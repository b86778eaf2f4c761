"""Which error is told when several come at once."""

import psycopg
import pytest

from advisor.errors import SandboxError
from advisor.sandbox.gone import server_expected


def interrupted_while_tidying_up() -> None:
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt:
        raise psycopg.OperationalError("another command is already in progress")  # noqa: B904 - as `finally` does it


def test_a_ctrl_c_is_not_hidden_by_the_tidying_up_it_disturbs() -> None:
    with pytest.raises(KeyboardInterrupt), server_expected():
        interrupted_while_tidying_up()


def test_a_lost_server_is_said_in_words() -> None:
    with pytest.raises(SandboxError, match="went away"), server_expected():
        raise psycopg.OperationalError("server closed the connection unexpectedly")


@pytest.mark.parametrize(
    "error", [psycopg.errors.QueryCanceled("too long"), psycopg.errors.UndefinedTable("x"), ValueError()]
)
def test_other_errors_pass(error: Exception) -> None:
    with pytest.raises(type(error)), server_expected():
        raise error
