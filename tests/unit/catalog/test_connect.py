"""What a user reads when there is no connection, and that no password is in it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.catalog.connect import connect, masked
from advisor.errors import ConnectionFailed


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:sec@ret@host/db", "postgresql://u:***@host/db"),
        ("postgres://u:a/b?c@host:1/db", "postgres://u:***@host:1/db"),
        ("postgresql+psycopg://u:secret@host/db", "postgresql+psycopg://u:***@host/db"),
        (
            "postgresql://u@host/db?password=secret&sslmode=require",
            "postgresql://u@host/db?password=***&sslmode=require",
        ),
        (r"host=h password='a b\'secret' user=x", "host=h password=*** user=x"),
        (r"password = a\ secret host=x", "password = *** host=x"),
        ("postgresql://host:5432/db", "postgresql://host:5432/db"),
        ("host=h dbname=d", "host=h dbname=d"),
        ("", ""),
    ],
)
def test_masked(url: str, shown: str) -> None:
    assert masked(url) == shown


@given(st.text(alphabet="abcXYZ019:@/?#[]!$&'()*+,;=%-._~ ", min_size=1, max_size=20))
def test_a_password_in_a_url_never_survives(password: str) -> None:
    secret = f"QQ{password}QQ"
    assert secret not in masked(f"postgresql://user:{secret}@host/db")


@pytest.mark.parametrize("url", ["postgresql://u:hun%zzter2@h/db", "what is hunter2", "postgresql://h:port/db?hunter2"])
def test_a_malformed_url_is_not_quoted(url: str) -> None:
    with pytest.raises(ConnectionFailed) as caught:
        connect(url)
    assert "hunter2" not in str(caught.value).replace("?hunter2", "")
    assert "zzter2" not in str(caught.value)
    assert caught.value.hint


def test_nobody_answers() -> None:
    with pytest.raises(ConnectionFailed) as caught:
        connect("postgresql://u:hunter2@127.0.0.1:1/db")
    assert "No PostgreSQL server answers" in caught.value.why
    assert "hunter2" not in str(caught.value)


def test_a_service_that_is_not_defined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGSERVICE", "no_such_service")
    with pytest.raises(ConnectionFailed) as caught:
        connect("")
    assert "PGSERVICE" in caught.value.hint
